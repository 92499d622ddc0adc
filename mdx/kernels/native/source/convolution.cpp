// Convolutions: as a linear layer where a kernel is one pixel, by Winograd's filtering where that
// pays, else directly: the patches of a padded copy are packed as columns of a product.
#include <algorithm>

#include "memory.hpp"
#include "operators.hpp"
#include "pictures.hpp"
#include "pool.hpp"
#include "results.hpp"
#include "winograd.hpp"

namespace mdx {
namespace {

constexpr long BAND_FLOATS = 12L << 20;  // of the padded copy that exists at once: 48 MB

// Whole pictures, or rows of results of one picture.
struct Band {
  long picture0, picture1, row0, row1;
};

// Patches of a padded copy of some rows of pictures. Its columns lie by their phase (column modulo
// stride) so that neighbours among results have neighbours in the copy.
struct Patches final : Operand {
  const float* copy;
  long channels, rows, phase_width, stride, kernel_height, kernel_width, out_width;

  long row_floats() const { return phase_width * stride; }

  void pack(long picture, long first, int count, int width, long k0, long k1, bool,
            float* panel) const override {
    // The panel's pixels, cut where rows of results end.
    struct Run {
      long from;
      int to, length;
    } runs[COLUMNS];
    int cuts = 0;
    for (int done = 0; done < count;) {
      const long y = (first + done) / out_width, x = (first + done) % out_width;
      const int length = static_cast<int>(std::min<long>(count - done, out_width - x));
      runs[cuts++] = {y * stride * row_floats() + x, done, length};
      done += length;
    }
    const long taps = kernel_height * kernel_width;
    for (long k = k0; k < k1; k++, panel += width) {
      const long channel = k / taps, ky = k % taps / kernel_width, kx = k % kernel_width;
      const float* from = copy + ((picture * channels + channel) * rows + ky) * row_floats() +
                          kx % stride * phase_width + kx / stride;
      // Whole vectors: the next run, or the next step's panel, overwrites what is too much.
      for (int i = 0; i < cuts; i++) {
        for (int lane = 0; lane < runs[i].length; lane += LANES) {
          store(panel + runs[i].to + lane, load(from + runs[i].from + lane));
        }
      }
    }
  }
};

void copy_band(const Pictures& p, const Band& band, const Patches& patches, float* copy) {
  const long width = patches.row_floats(), first = band.row0 * patches.stride;
  in_parallel((band.picture1 - band.picture0) * p.channels, [&](long index) {
    const long picture = band.picture0 + index / p.channels, channel = index % p.channels;
    float* row = own_memory(Use::other, width);
    for (long y = 0; y < patches.rows; y++) {
      float* to = copy + (index * patches.rows + y) * width;
      if (patches.stride == 1) {
        p.row(picture, channel, first + y, width, to);
        continue;
      }
      p.row(picture, channel, first + y, width, row);
      for (long phase = 0; phase < patches.stride; phase++) {
        float* line = to + phase * patches.phase_width;
        for (long i = 0; i < patches.phase_width; i++) line[i] = row[i * patches.stride + phase];
      }
    }
  });
}

// Bias and shift of each picture, (batch, outputs); a null pointer where there is neither.
const float* biases(const mdx_convolution_call& call) {
  if (call.bias.data == nullptr && call.shift == nullptr) return nullptr;
  float* sums = shared_memory(Shared::weights, call.batch * call.outputs);
  for (long b = 0; b < call.batch; b++) {
    float* row = sums + b * call.outputs;
    widen(call.bias, call.outputs, 0.0f, row);
    for (long o = 0; call.shift != nullptr && o < call.outputs; o++) {
      row[o] += call.shift[b * call.outputs + o];
    }
  }
  return sums;
}

Results results_of(const mdx_convolution_call& call, const float* bias, long places) {
  Results results(call.out, call.outputs * places, places);
  results.residual = call.residual;
  results.row_bias = bias;
  results.bias_stride = call.outputs;
  return results;
}

void of_single_pixels(const mdx_convolution_call& call, const Pictures& p, const float* bias) {
  const long places = p.height * p.width;
  Maps maps(call.x, call.inputs, places, call.inputs * places);
  maps.norm = p.norm;
  Matrix weight(call.weight, call.inputs);
  Results results = results_of(call, bias, places);
  multiply({weight, maps, results, call.outputs, call.batch, places, call.inputs, false,
            Gates::none});
}

void directly(const mdx_convolution_call& call, const Pictures& p, const float* bias, long out_rows,
              long out_columns) {
  const long stride = call.stride, taps = call.kernel_height * call.kernel_width;
  const long phase_width = (p.padded_width + stride - 1) / stride;
  const auto rows_for = [&](long results) { return (results - 1) * stride + call.kernel_height; };
  const long line = p.channels * phase_width * stride;
  long some = std::max(1L, BAND_FLOATS / (line * rows_for(out_rows))), high = out_rows;
  while (some == 1 && high > 1 && line * rows_for(high) > BAND_FLOATS) high = (high + 1) / 2;
  some = std::min(some, p.batch);
  float* copy = shared_memory(Shared::tiles, some * line * rows_for(high));
  const Matrix weight(call.weight, p.channels * taps);
  for (long picture = 0; picture < p.batch; picture += some) {
    for (long row = 0; row < out_rows; row += high) {
      const Band band{picture, std::min(p.batch, picture + some), row,
                      std::min(out_rows, row + high)};
      Patches patches{};
      patches.copy = copy;
      patches.channels = p.channels;
      patches.rows = rows_for(band.row1 - band.row0);
      patches.phase_width = phase_width;
      patches.stride = stride;
      patches.kernel_height = call.kernel_height;
      patches.kernel_width = call.kernel_width;
      patches.out_width = out_columns;
      copy_band(p, band, patches, copy);
      Results results = results_of(call, bias, out_rows * out_columns);
      const long at = picture * results.picture_stride + row * out_columns;
      results.out += at;
      if (results.residual != nullptr) results.residual += at;
      if (bias != nullptr) results.row_bias += picture * call.outputs;
      multiply({weight, patches, results, call.outputs, band.picture1 - band.picture0,
                (band.row1 - band.row0) * out_columns, p.channels * taps, false, Gates::none});
    }
  }
}

}  // namespace

void convolution(const mdx_convolution_call& call) {
  require_sizes({call.batch, call.inputs, call.outputs, call.height, call.width, call.stride,
                 call.kernel_height, call.kernel_width});
  require(call.norm.kind == MDX_NO_NORM || call.norm.kind == MDX_GROUP_NORM,
          "convolution: what is read may be normalised over groups of channels alone");
  require_norm(call.norm, call.inputs, MDX_MAPS);
  const Pictures p = pictures(call);
  require(p.padded_height >= call.kernel_height && p.padded_width >= call.kernel_width,
          "convolution: the kernel is larger than the padded picture");
  const long out_rows = (p.padded_height - call.kernel_height) / call.stride + 1;
  const long out_columns = (p.padded_width - call.kernel_width) / call.stride + 1;
  const float* bias = biases(call);
  const bool one = call.kernel_height * call.kernel_width * call.stride == 1;
  require(p.enlarged_height >= p.height && p.enlarged_width >= p.width,
          "convolution: what is enlarged must not become smaller");
  const bool as_it_is = p.padded_height == p.height && p.padded_width == p.width;
  if (one && as_it_is && call.enlarged_height == 0) return of_single_pixels(call, p, bias);
  const bool suits = call.stride == 1 && call.kernel_height == 3 && call.kernel_width == 3;
  const bool pays = winograd_pays(call.inputs, call.outputs, p.batch * out_rows * out_columns);
  require(suits || call.method != MDX_WINOGRAD, "convolution: Winograd is for 3x3 and stride 1");
  if (suits && (call.method == MDX_WINOGRAD || (call.method == MDX_AUTOMATIC && pays))) {
    return winograd(call, p, bias, out_rows, out_columns);
  }
  directly(call, p, bias, out_rows, out_columns);
}

}  // namespace mdx

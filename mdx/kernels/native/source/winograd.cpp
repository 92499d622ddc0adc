#include "winograd.hpp"

#include <algorithm>

#include "memory.hpp"
#include "pool.hpp"
#include "tile.hpp"
#include "winograd_matrices.hpp"

namespace mdx {
namespace {

constexpr int VALUES = POINTS * POINTS;
constexpr long VALUE_FLOATS = 6L << 20;  // of the tiles that are transformed at once: 24 MB
// Between the matrices of one value and the next: 36 addresses that differ by a multiple of 4096
// bytes would share one set of the first cache.
constexpr long APART = 48;
constexpr long ROW_TILES = 4;  // tiles of ROWS outputs that share the reading of a panel of values

struct Filtering {
  const mdx_convolution_call& call;
  const Pictures& pictures;
  const float* bias;
  long out_rows, out_columns;
  long down, across;  // tiles of a picture
  long begin, count;  // tiles at work, counted through all pictures
  long panels, value_stride;
  float* values;  // (36, panels, channels, COLUMNS)

  long tiles() const { return pictures.batch * down * across; }
};

// The 36 numbers of each tile of one channel, each in a plane of its own: (36, panels * COLUMNS).
void cut_tiles(const Filtering& f, long channel, float* planes) {
  const long spacing = (f.across + 1 + 3) / 4 * 4, width = TILE * spacing;
  float* rows = own_memory(Use::rows, (POINTS + 1) * width);
  float* whole = rows + POINTS * width;
  const long plane = f.panels * COLUMNS, end = f.begin + f.count;
  const long first = f.begin / f.across, last = (end - 1) / f.across;
  for (long line = first; line <= last; line++) {
    const long picture = line / f.down, y = line % f.down * TILE;
    // The last two rows of the line above are the first two of this one.
    const bool follows = line > first && y > 0;
    if (follows) std::copy(rows + TILE * width, rows + POINTS * width, rows);
    for (int r = follows ? POINTS - TILE : 0; r < POINTS; r++) {
      f.pictures.row(picture, channel, y + r, width, whole);
      in_four_phases(whole, spacing, spacing, rows + r * width);
    }
    const long x0 = std::max(0L, f.begin - line * f.across);
    const long x1 = std::min(f.across, end - line * f.across);
    for (int r = 0; r < POINTS; r++) {
      for (int c = 0; c < POINTS; c++) {
        const float* from = rows + r * width + c % TILE * spacing + c / TILE;
        float* to = planes + (r * POINTS + c) * plane + line * f.across - f.begin;
        std::copy(from + x0, from + x1, to + x0);
      }
    }
  }
}

void transform_tiles(const Filtering& f, long channel) {
  const long plane = f.panels * COLUMNS;
  float* planes = own_memory(Use::other, VALUES * plane);
  cut_tiles(f, channel, planes);
  for (long i = 0; i < plane; i += LANES) {
    Vector numbers[POINTS], half[POINTS][POINTS], found[POINTS];
    for (int c = 0; c < POINTS; c++) {
      for (int r = 0; r < POINTS; r++) numbers[r] = load(planes + (r * POINTS + c) * plane + i);
      tile_values(numbers, found);
      for (int r = 0; r < POINTS; r++) half[r][c] = found[r];
    }
    float* to = f.values + (i / COLUMNS * f.call.inputs + channel) * COLUMNS + i % COLUMNS;
    for (int r = 0; r < POINTS; r++) {
      tile_values(half[r], found);
      for (int c = 0; c < POINTS; c++) store(to + (r * POINTS + c) * f.value_stride, found[c]);
    }
  }
}

// Kernels of `rows` outputs from `first` on: values (36, inputs, rows), `stride` apart.
void transform_kernels(const mdx_convolution_call& call, long first, int rows, float* values,
                       long stride) {
  const long taps = 9;
  float* kernels = own_memory(Use::rows, call.inputs * taps * rows);
  const Matrix weight(call.weight, call.inputs * taps);
  weight.pack(0, first, rows, rows, 0, call.inputs * taps, false, kernels);
  for (long channel = 0; channel < call.inputs; channel++) {
    Vector numbers[3], half[POINTS][3], found[POINTS];
    for (int c = 0; c < 3; c++) {
      for (int r = 0; r < 3; r++) numbers[r] = load(kernels + (channel * taps + r * 3 + c) * rows);
      kernel_values(numbers, found);
      for (int r = 0; r < POINTS; r++) half[r][c] = found[r];
    }
    // Whole vectors: the next channel overwrites what is too much, and APART has room at the end.
    for (int r = 0; r < POINTS; r++) {
      kernel_values(half[r], found);
      for (int c = 0; c < POINTS; c++) {
        store(values + (r * POINTS + c) * stride + channel * rows, found[c]);
      }
    }
  }
}

// Writes the results of LANES tiles, of which `count` exist, from tile `first` on.
void write(const Filtering& f, long output, long first, int count, Vector results[TILE][TILE]) {
  alignas(64) float pixels[TILE][TILE * LANES], phases[TILE][LANES];
  for (int r = 0; r < TILE; r++) {
    for (int c = 0; c < TILE; c++) store(phases[c], results[r][c]);
    for (int i = 0; i < LANES; i += 4) {
      __m128 a = _mm_load_ps(phases[0] + i), b = _mm_load_ps(phases[1] + i);
      __m128 c = _mm_load_ps(phases[2] + i), d = _mm_load_ps(phases[3] + i);
      _MM_TRANSPOSE4_PS(a, b, c, d);
      _mm_store_ps(pixels[r] + 4 * i, a);
      _mm_store_ps(pixels[r] + 4 * i + 4, b);
      _mm_store_ps(pixels[r] + 4 * i + 8, c);
      _mm_store_ps(pixels[r] + 4 * i + 12, d);
    }
  }
  for (int done = 0; done < count;) {
    const long tile = first + done, line = tile / f.across, x = tile % f.across;
    const int run = static_cast<int>(std::min<long>(count - done, f.across - x));
    const long picture = line / f.down, y = line % f.down * TILE;
    const long map = picture * f.call.outputs + output;
    const Vector bias = splat(f.bias != nullptr ? f.bias[map] : 0.0f);
    const long width = std::min<long>(TILE * run, f.out_columns - TILE * x);
    for (int r = 0; r < TILE && y + r < f.out_rows; r++) {
      const long at = (map * f.out_rows + y + r) * f.out_columns + TILE * x;
      for (long i = 0; i < width; i += LANES) {
        const int lanes = static_cast<int>(std::min<long>(LANES, width - i));
        Vector v = load_part(pixels[r] + TILE * done + i, lanes) + bias;
        if (f.call.residual != nullptr) v = v + load_part(f.call.residual + at + i, lanes);
        store_part(f.call.out + at + i, lanes, v);
      }
    }
    done += run;
  }
}

// All results of outputs o0 to o1 in the tiles at work.
void filter(const Filtering& f, long o0, long o1) {
  const long inputs = f.call.inputs, row_tiles = (o1 - o0 + ROWS - 1) / ROWS;
  const long kernel = inputs * ROWS + APART, kernel_stride = kernel * row_tiles;
  const long tile = ROWS * COLUMNS, sum_stride = f.panels * row_tiles * tile + APART;
  float* kernels = own_memory(Use::panels, VALUES * kernel_stride);
  float* sums = own_memory(Use::sums, VALUES * sum_stride);
  const auto rows_of = [&](long i) {
    return static_cast<int>(std::min<long>(o1 - o0 - i * ROWS, ROWS));
  };
  for (long i = 0; i < row_tiles; i++) {
    transform_kernels(f.call, o0 + i * ROWS, rows_of(i), kernels + i * kernel, kernel_stride);
  }
  for (long value = 0; value < VALUES; value++) {
    for (long panel = 0; panel < f.panels; panel++) {
      const float* columns = f.values + value * f.value_stride + panel * inputs * COLUMNS;
      float* to = sums + value * sum_stride + panel * row_tiles * tile;
      for (long i = 0; i < row_tiles; i++) {
        multiply_tile(rows_of(i), false, inputs, kernels + value * kernel_stride + i * kernel,
                      columns, nullptr, nullptr, to + i * tile);
      }
    }
  }
  for (long output = o0; output < o1; output++) {
    const long i = (output - o0) / ROWS, row = (output - o0) % ROWS;
    for (long first = 0; first < f.count; first += LANES) {
      const float* from = sums + (first / COLUMNS * row_tiles + i) * tile + row * COLUMNS +
                          first % COLUMNS;
      Vector numbers[POINTS], half[TILE][POINTS], found[TILE], results[TILE][TILE];
      for (int c = 0; c < POINTS; c++) {
        for (int r = 0; r < POINTS; r++) numbers[r] = load(from + (r * POINTS + c) * sum_stride);
        results_of_values(numbers, found);
        for (int r = 0; r < TILE; r++) half[r][c] = found[r];
      }
      for (int r = 0; r < TILE; r++) results_of_values(half[r], results[r]);
      const int count = static_cast<int>(std::min<long>(LANES, f.count - first));
      write(f, output, f.begin + first, count, results);
    }
  }
}

}  // namespace

bool winograd_pays(long inputs, long outputs, long pixels) {
  // The transforms are shared by few products where channels or pixels are few.
  return inputs >= 64 && outputs >= 32 && pixels >= 512;
}

void winograd(const mdx_convolution_call& call, const Pictures& p, const float* bias, long out_rows,
              long out_columns) {
  Filtering f{call, p, bias, out_rows, out_columns, 0, 0, 0, 0, 0, 0, nullptr};
  f.down = (out_rows + TILE - 1) / TILE;
  f.across = (out_columns + TILE - 1) / TILE;
  const long fit = VALUE_FLOATS / (VALUES * call.inputs) / COLUMNS * COLUMNS;
  const long some = std::max<long>(COLUMNS, fit);
  const long most = (std::min(some, f.tiles()) + COLUMNS - 1) / COLUMNS;
  f.values = shared_memory(Shared::tiles, VALUES * (most * COLUMNS * call.inputs + APART));
  long outputs = ROW_TILES * ROWS;  // of a thread at a time
  while (outputs > ROWS && call.outputs / outputs < 2 * threads()) outputs -= ROWS;
  for (f.begin = 0; f.begin < f.tiles(); f.begin += f.count) {
    f.count = std::min(some, f.tiles() - f.begin);
    f.panels = (f.count + COLUMNS - 1) / COLUMNS;
    f.value_stride = f.panels * COLUMNS * call.inputs + APART;
    in_parallel(call.inputs, [&](long channel) { transform_tiles(f, channel); });
    in_parallel((call.outputs + outputs - 1) / outputs, [&](long i) {
      filter(f, i * outputs, std::min(call.outputs, (i + 1) * outputs));
    });
  }
}

}  // namespace mdx

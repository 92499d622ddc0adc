#include "pictures.hpp"

#include <algorithm>

namespace mdx {

Pictures pictures(const mdx_convolution_call& call) {
  Pictures p{};
  p.x = call.x;
  p.batch = call.batch;
  p.channels = call.inputs;
  p.height = call.height;
  p.width = call.width;
  p.enlarged_height = call.enlarged_height ? call.enlarged_height : call.height;
  p.enlarged_width = call.enlarged_width ? call.enlarged_width : call.width;
  p.top = call.top;
  p.left = call.left;
  p.padded_height = p.enlarged_height + call.top + call.bottom;
  p.padded_width = p.enlarged_width + call.left + call.right;
  p.norm = map_norm(call.norm, call.x, call.batch, call.inputs, call.height * call.width);
  return p;
}

void Pictures::row(long picture, long channel, long y, long length, float* to) const {
  std::fill(to, to + length, 0.0f);
  const long inside = y - top;
  if (inside < 0 || inside >= enlarged_height) return;
  const long map = picture * channels + channel;
  // The nearest pixel, counted from the top and the left.
  const float* from = x + (map * height + inside * height / enlarged_height) * width;
  float* begin = to + left;
  const bool same = enlarged_width == width;
  if (same && !norm.of_channels() && !norm.silu) {
    std::copy(from, from + width, begin);
    return;
  }
  const auto value = [&](long i, int lanes) {
    Vector v = load_part(from + i, lanes);
    if (norm.of_channels()) {
      v = (v - splat(norm.mean[map])) * splat(norm.scale[map]) + splat(norm.bias[map]);
    }
    return norm.silu ? silu(v) : v;
  };
  // An enlarged row is made from its end, so that a pixel is read before it is overwritten.
  for (long i = 0; i < width; i += LANES) {
    const int lanes = static_cast<int>(std::min<long>(LANES, width - i));
    store_part(begin + i, lanes, value(i, lanes));
  }
  if (same) return;
  for (long i = enlarged_width - 1; i >= 0; i--) begin[i] = begin[i * width / enlarged_width];
}

void in_four_phases(const float* row, long count, long spacing, float* to) {
  for (long i = 0; i < count; i += 4) {
    __m128 a = _mm_loadu_ps(row + 4 * i), b = _mm_loadu_ps(row + 4 * i + 4);
    __m128 c = _mm_loadu_ps(row + 4 * i + 8), d = _mm_loadu_ps(row + 4 * i + 12);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to + i, a);
    _mm_storeu_ps(to + spacing + i, b);
    _mm_storeu_ps(to + 2 * spacing + i, c);
    _mm_storeu_ps(to + 3 * spacing + i, d);
  }
}

}  // namespace mdx

// Rotary position embedding: RoFormer, arXiv 2104.09864, section 3.2.
#include <algorithm>

#include "operators.hpp"
#include "pool.hpp"
#include "simd.hpp"

namespace mdx {
namespace {

// The channels of pair `i`.
struct Pair {
  long first, second;
};

Pair pair_of(const mdx_rotary_call& call, long i) {
  if (call.interleaved) return {2 * i, 2 * i + 1};
  return {i, i + call.turned / 2};
}

// One head's channels at one place.
void turn_row(const mdx_rotary_call& call, const float* x, const float* cos, const float* sin,
              float* out) {
  for (long i = 0; i < call.turned / 2; i++) {
    const Pair pair = pair_of(call, i);
    const float a = x[pair.first], b = x[pair.second];
    out[pair.first] = a * cos[i] - b * sin[i];
    out[pair.second] = b * cos[i] + a * sin[i];
  }
  std::copy(x + call.turned, x + call.size, out + call.turned);
}

// One pair of maps; cosines and sines of a pair lie `step` apart.
void turn_maps(const float* a, const float* b, const float* cos, const float* sin, long step,
               long places, float* out_a, float* out_b) {
  for (long t = 0; t < places; t++) {
    const float c = cos[t * step], s = sin[t * step], first = a[t], second = b[t];
    out_a[t] = first * c - second * s;
    out_b[t] = second * c + first * s;
  }
}

}  // namespace

void rotate(const mdx_rotary_call& call) {
  require_sizes({call.batch, call.places, call.heads, call.size});
  require(call.turned % 2 == 0 && call.turned <= call.size,
          "rotary: the channels that turn are even in number, and no more than a head has");
  const long pairs = call.turned / 2;
  if (call.layout == MDX_ROWS) {
    in_parallel(call.batch * call.places, [&](long index) {
      const long place = index % call.places;
      for (long head = 0; head < call.heads; head++) {
        const long at = (index * call.heads + head) * call.size;
        turn_row(call, call.x + at, call.cos + place * pairs, call.sin + place * pairs,
                 call.out + at);
      }
    });
    return;
  }
  in_parallel(call.batch * call.heads, [&](long head) {
    const float* x = call.x + head * call.size * call.places;
    float* out = call.out + head * call.size * call.places;
    for (long i = 0; i < pairs; i++) {
      const Pair pair = pair_of(call, i);
      const long a = pair.first * call.places, b = pair.second * call.places;
      turn_maps(x + a, x + b, call.cos + i, call.sin + i, pairs, call.places, out + a, out + b);
    }
    const long rest = call.turned * call.places;
    std::copy(x + rest, x + call.size * call.places, out + rest);
  });
}

}  // namespace mdx

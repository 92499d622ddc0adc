// The innermost product: one tile of sums, which stays in registers.
#pragma once
#include "simd.hpp"

namespace mdx {

// sums (rows, COLUMNS) = start * scale + a (steps, rows), transposed, times b (steps, COLUMNS).
// start (rows, COLUMNS) may be absent, and scale (COLUMNS). With `pairs` a number of a or b holds
// two of bfloat16, whose products are added in turn. b and sums lie on cache lines.
void multiply_tile(int rows, bool pairs, long steps, const float* a, const float* b,
                   const float* start, const float* scale, float* sums);

#if defined(__AVX512BF16__)
constexpr bool HAS_PAIRS = true;
#else
constexpr bool HAS_PAIRS = false;
#endif

}  // namespace mdx

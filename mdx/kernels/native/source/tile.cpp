#include "tile.hpp"

namespace mdx {
namespace {

#if defined(__AVX512BF16__)
inline Vector add_pairs(Vector sum, Vector a, Vector b) {
  return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}
#else
inline Vector add_pairs(Vector sum, Vector, Vector) { return sum; }  // never called
#endif

constexpr long AHEAD = 8 * COLUMNS;  // floats of b that are fetched before they are needed

template <int N, bool PAIRS>
void multiply(long steps, const float* a, const float* b, const float* start, const float* scale,
              float* sums) {
  Vector sum[N][2];
#pragma GCC unroll 10
  for (int i = 0; i < N; i++) sum[i][0] = sum[i][1] = zeros();
  for (long step = 0; step < steps; step++) {
    const Vector left = load(b), right = load(b + LANES);
    b += COLUMNS;
    _mm_prefetch(reinterpret_cast<const char*>(b + AHEAD), _MM_HINT_T0);
    _mm_prefetch(reinterpret_cast<const char*>(b + AHEAD + LANES), _MM_HINT_T0);
#pragma GCC unroll 10
    for (int i = 0; i < N; i++) {
      const Vector factor = splat(a[i]);
      if constexpr (PAIRS) {
        sum[i][0] = add_pairs(sum[i][0], factor, left);
        sum[i][1] = add_pairs(sum[i][1], factor, right);
      } else {
        sum[i][0] = factor * left + sum[i][0];
        sum[i][1] = factor * right + sum[i][1];
      }
    }
    a += N;
  }
  // Added last, so that a long sum is one of parts: its rounding errors grow with their number.
  if (start != nullptr) {
    const Vector left = scale ? load(scale) : splat(1.0f);
    const Vector right = scale ? load(scale + LANES) : splat(1.0f);
#pragma GCC unroll 10
    for (int i = 0; i < N; i++) {
      sum[i][0] = load(start + i * COLUMNS) * left + sum[i][0];
      sum[i][1] = load(start + i * COLUMNS + LANES) * right + sum[i][1];
    }
  }
#pragma GCC unroll 10
  for (int i = 0; i < N; i++) {
    store(sums + i * COLUMNS, sum[i][0]);
    store(sums + i * COLUMNS + LANES, sum[i][1]);
  }
}

using Multiply = void (*)(long, const float*, const float*, const float*, const float*, float*);

template <bool PAIRS>
constexpr Multiply BY_ROWS[] = {
    multiply<1, PAIRS>, multiply<2, PAIRS>, multiply<3, PAIRS>, multiply<4, PAIRS>,
    multiply<5, PAIRS>, multiply<6, PAIRS>,
#if defined(__AVX512F__)
    multiply<7, PAIRS>, multiply<8, PAIRS>, multiply<9, PAIRS>, multiply<10, PAIRS>,
#endif
};

}  // namespace

void multiply_tile(int rows, bool pairs, long steps, const float* a, const float* b,
                   const float* start, const float* scale, float* sums) {
  if constexpr (HAS_PAIRS) {
    if (pairs) return BY_ROWS<true>[rows - 1](steps, a, b, start, scale, sums);
  }
  BY_ROWS<false>[rows - 1](steps, a, b, start, scale, sums);
}

}  // namespace mdx

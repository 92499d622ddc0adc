// Vectors of float32 as wide as the processor class has them. Arithmetic is written with the
// operators of the compilers' vector extensions; a product that is added to becomes one
// instruction (-ffp-contract=fast). What has no operator is here, twice.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace mdx {

#if defined(__AVX512F__)

using Vector = __m512;
constexpr int LANES = 16;
// The tile of a product: ROWS broadcast numbers times two vectors, so that sums fill the registers.
constexpr int ROWS = 10;

inline __mmask16 first_lanes(int count) { return static_cast<__mmask16>((1u << count) - 1); }
inline Vector splat(float number) { return _mm512_set1_ps(number); }
inline Vector load(const float* from) { return _mm512_loadu_ps(from); }
inline void store(float* to, Vector v) { _mm512_storeu_ps(to, v); }
// The first `count` lanes, 0 to LANES, and zeros; memory past them is not touched.
inline Vector load_part(const float* from, int count) {
  return _mm512_maskz_loadu_ps(first_lanes(count), from);
}
inline void store_part(float* to, int count, Vector v) {
  _mm512_mask_storeu_ps(to, first_lanes(count), v);
}
// Of two numbers one of which is none, both give b.
inline Vector larger(Vector a, Vector b) { return _mm512_max_ps(a, b); }
inline Vector smaller(Vector a, Vector b) { return _mm512_min_ps(a, b); }
inline Vector magnitude(Vector v) { return _mm512_abs_ps(v); }
inline Vector rounded(Vector v) { return _mm512_roundscale_ps(v, 8); }
inline Vector root(Vector v) { return _mm512_sqrt_ps(v); }
inline float total(Vector v) { return _mm512_reduce_add_ps(v); }
// v, but 0 where a < b; v where either is not a number.
inline Vector unless_less(Vector a, Vector b, Vector v) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, b, _CMP_NLT_UQ), v);
}
// v with the sign of `sign`.
inline Vector signed_as(Vector v, Vector sign) {
  const __m512i bit = _mm512_set1_epi32(static_cast<int>(0x80000000u));
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(bit, _mm512_castps_si512(sign),
                                                       _mm512_castps_si512(v), 0xca));
}
// v * 2^power for whole powers in -126..127.
inline Vector times_power(Vector v, Vector power) { return _mm512_scalef_ps(v, power); }

#else

using Vector = __m256;
constexpr int LANES = 8;
constexpr int ROWS = 6;

inline __m256i first_lanes(int count) {
  alignas(32) static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask + 8 - count));
}
inline Vector splat(float number) { return _mm256_set1_ps(number); }
inline Vector load(const float* from) { return _mm256_loadu_ps(from); }
inline void store(float* to, Vector v) { _mm256_storeu_ps(to, v); }
inline Vector load_part(const float* from, int count) {
  return count == LANES ? load(from) : _mm256_maskload_ps(from, first_lanes(count));
}
inline void store_part(float* to, int count, Vector v) {
  if (count == LANES) {
    store(to, v);
  } else {
    _mm256_maskstore_ps(to, first_lanes(count), v);
  }
}
inline Vector larger(Vector a, Vector b) { return _mm256_max_ps(a, b); }
inline Vector smaller(Vector a, Vector b) { return _mm256_min_ps(a, b); }
inline Vector magnitude(Vector v) { return _mm256_andnot_ps(splat(-0.0f), v); }
inline Vector rounded(Vector v) { return _mm256_round_ps(v, 8); }
inline Vector root(Vector v) { return _mm256_sqrt_ps(v); }
inline float total(Vector v) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}
inline Vector unless_less(Vector a, Vector b, Vector v) {
  return _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_NLT_UQ), v);
}
inline Vector signed_as(Vector v, Vector sign) {
  const Vector bit = splat(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(bit, v), _mm256_and_ps(bit, sign));
}
inline Vector times_power(Vector v, Vector power) {
  const __m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(power), _mm256_set1_epi32(127));
  return v * _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23));
}

#endif

constexpr int COLUMNS = 2 * LANES;  // of a tile

inline Vector zeros() { return splat(0.0f); }

// The lanes of part `part` (0 or 1) of a tile of which only `count` columns exist.
inline int lanes_of(int count, int part) {
  const int left = count - part * LANES;
  return left < 0 ? 0 : left < LANES ? left : LANES;
}

}  // namespace mdx

// Operands are copied into panels: for each step of the sum the `width` numbers of a tile, next to
// each other. A panel's numbers are float32, or pairs of bfloat16 of two steps: "words" are either.
#pragma once
#include "parameters.hpp"
#include "simd.hpp"

namespace mdx {

inline long words_of(long numbers, bool pairs) { return pairs ? (numbers + 1) / 2 : numbers; }

// Two steps as pairs, rounded to the nearest, the first step below.
inline Vector paired(Vector first, Vector second) {
#if defined(__AVX512BF16__)
  const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(first));
  const __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(second));
  return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
#else
  (void)second;
  return first;  // never called
#endif
}

// Numbers that lie along a panel: row(k, offset, lanes) is a vector of step k.
template <class Row>
void pack_along(const Row& row, int count, int width, long k0, long k1, bool pairs, float* panel) {
  // Where width is no whole number of vectors the next step overwrites what is too much.
  const int parts = (width + LANES - 1) / LANES;
  for (long k = k0; k < k1; k += pairs ? 2 : 1) {
    for (int part = 0; part < parts; part++) {
      const int lanes = lanes_of(count, part);
      Vector words = row(k, part * LANES, lanes);
      if (pairs) words = paired(words, k + 1 < k1 ? row(k + 1, part * LANES, lanes) : zeros());
      store(panel + part * LANES, words);
    }
    panel += width;
  }
}

// Rows of numbers that lie across a panel, as words: steps `from` on of rows `stride` apart.
template <class Number>
struct Across {
  const Number* rows;
  long stride, steps;
  bool pairs;
  float factor;

  __m128 four(long row, long word) const {
    const Number* at = rows + row * stride;
#if defined(__AVX512BF16__)
    if (pairs) {
      const __m128 scale = _mm_set1_ps(factor);
      const __m128 low = _mm_mul_ps(widened_four(at + 2 * word), scale);
      const __m128 high = _mm_mul_ps(widened_four(at + 2 * word + 4), scale);
      return _mm_castsi128_ps((__m128i)_mm256_cvtneps_pbh(_mm256_set_m128(high, low)));
    }
#endif
    return _mm_mul_ps(widened_four(at + word), _mm_set1_ps(factor));
  }

  float one(long row, long word) const {
    const Number* at = rows + row * stride;
#if defined(__AVX512BF16__)
    if (pairs) {
      const float low = widened(at[2 * word]) * factor;
      const float high = 2 * word + 1 < steps ? widened(at[2 * word + 1]) * factor : 0.0f;
      return _mm_cvtss_f32(
          _mm_castsi128_ps((__m128i)_mm_cvtneps_pbh(_mm_setr_ps(low, high, 0.0f, 0.0f))));
    }
#endif
    return widened(at[word]) * factor;
  }
};

// `count` rows into a panel of `width`, four rows and four words at a time.
template <class Number>
void pack_across(const Across<Number>& source, int count, int width, float* panel) {
  const long words = words_of(source.steps, source.pairs);
  const long whole = (source.pairs ? source.steps / 2 : source.steps) / 4 * 4;
  int row = 0;
  for (; row + 4 <= count; row += 4) {
    for (long word = 0; word < whole; word += 4) {
      __m128 r0 = source.four(row, word), r1 = source.four(row + 1, word);
      __m128 r2 = source.four(row + 2, word), r3 = source.four(row + 3, word);
      _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
      float* to = panel + word * width + row;
      _mm_storeu_ps(to, r0);
      _mm_storeu_ps(to + width, r1);
      _mm_storeu_ps(to + 2 * width, r2);
      _mm_storeu_ps(to + 3 * width, r3);
    }
  }
  for (; row + 2 <= count; row += 2) {
    for (long word = 0; word < whole; word += 4) {
      const __m128 r0 = source.four(row, word), r1 = source.four(row + 1, word);
      const __m128 low = _mm_unpacklo_ps(r0, r1), high = _mm_unpackhi_ps(r0, r1);
      float* to = panel + word * width + row;
      _mm_storel_pi(reinterpret_cast<__m64*>(to), low);
      _mm_storeh_pi(reinterpret_cast<__m64*>(to + width), low);
      _mm_storel_pi(reinterpret_cast<__m64*>(to + 2 * width), high);
      _mm_storeh_pi(reinterpret_cast<__m64*>(to + 3 * width), high);
    }
  }
  for (; row < count; row++) {
    for (long word = 0; word < whole; word++) panel[word * width + row] = source.one(row, word);
  }
  for (long word = whole; word < words; word++) {
    for (int r = 0; r < count; r++) panel[word * width + r] = source.one(r, word);
  }
  for (long word = 0; count < width && word < words; word++) {
    for (int r = count; r < width; r++) panel[word * width + r] = 0.0f;
  }
}

}  // namespace mdx

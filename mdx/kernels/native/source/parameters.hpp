// Parameters in the types in which files hold them, widened where they are read.
#pragma once
#include "memory.hpp"
#include "operators.h"
#include "simd.hpp"

namespace mdx {

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

inline __m128i four_halves(const void* from) {
  return _mm_loadl_epi64(static_cast<const __m128i*>(from));
}
inline __m128 widened_four(const float* from) { return _mm_loadu_ps(from); }
inline __m128 widened_four(const Half* from) { return _mm_cvtph_ps(four_halves(from)); }
inline __m128 widened_four(const Brain* from) {
  return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(four_halves(from)), 16));
}

inline float widened(float number) { return number; }
inline float widened(Half number) { return _cvtsh_ss(number.bits); }
inline float widened(Brain number) {
  const uint32_t bits = static_cast<uint32_t>(number.bits) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

// Calls with_type(typed pointer to the parameter's numbers).
template <class Action>
void typed(const mdx_parameter& parameter, const Action& with_type) {
  switch (parameter.type) {
    case MDX_FLOAT16: return with_type(static_cast<const Half*>(parameter.data));
    case MDX_BFLOAT16: return with_type(static_cast<const Brain*>(parameter.data));
    default: return with_type(static_cast<const float*>(parameter.data));
  }
}

// `count` numbers of a parameter as float32 at `to`; `absent` where there is none.
inline void widen(const mdx_parameter& parameter, long count, float absent, float* to) {
  if (parameter.data == nullptr) {
    for (long i = 0; i < count; i++) to[i] = absent;
    return;
  }
  typed(parameter, [&](const auto* from) {
    for (long i = 0; i < count; i++) to[i] = widened(from[i]);
  });
}

}  // namespace mdx

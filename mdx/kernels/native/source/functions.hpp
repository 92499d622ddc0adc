// Elementary functions on vectors, and the activations made of them.
//
// The polynomials interpolate at Chebyshev's points; they are within 3e-9 of the function.
#pragma once
#include "operators.h"
#include "simd.hpp"

namespace mdx {

// 2^x, at most 2^127; 0 below 2^-126, so that what a mask hid (minus infinity) weighs nothing.
inline Vector power_of_two(Vector x) {
  const Vector floor = splat(-126.0f);
  const Vector bounded = smaller(splat(127.0f), larger(floor, x));
  const Vector whole = rounded(bounded);
  const Vector rest = bounded - whole;  // within half of 0
  Vector sum = splat(1.5461444725e-4f);
  sum = sum * rest + splat(1.3400428178e-3f);
  sum = sum * rest + splat(9.6180566784e-3f);
  sum = sum * rest + splat(5.5503272267e-2f);
  sum = sum * rest + splat(2.4022650922e-1f);
  sum = sum * rest + splat(6.9314720670e-1f);
  sum = sum * rest + splat(1.0f);
  return unless_less(x, floor, times_power(sum, whole));
}

// e^x for x within 87 of 0, and its value there beyond.
inline Vector exponential(Vector x) {
  const Vector bounded = smaller(splat(87.0f), larger(splat(-87.0f), x));
  const Vector whole = rounded(bounded * splat(1.44269504089f));
  // ln(2) in two parts, of which the first has few enough bits that its products are exact.
  const Vector rest = (bounded - whole * splat(0.693359375f)) + whole * splat(2.12194440e-4f);
  Vector sum = splat(1.3941108469e-3f);
  sum = sum * rest + splat(8.3751263984e-3f);
  sum = sum * rest + splat(4.1666352896e-2f);
  sum = sum * rest + splat(1.6666415515e-1f);
  sum = sum * rest + splat(5.0000000471e-1f);
  sum = sum * rest + splat(1.0000000377f);
  sum = sum * rest + splat(1.0f);
  return times_power(sum, whole);
}

// The error function within 2e-7.
// Abramowitz and Stegun, Handbook of mathematical functions, 7.1.26.
inline Vector error_function(Vector x) {
  const Vector size = magnitude(x);
  const Vector t = splat(1.0f) / (size * splat(0.3275911f) + splat(1.0f));
  Vector sum = splat(1.061405429f);
  sum = sum * t + splat(-1.453152027f);
  sum = sum * t + splat(1.421413741f);
  sum = sum * t + splat(-0.284496736f);
  sum = sum * t + splat(0.254829592f);
  return signed_as(splat(1.0f) - sum * t * exponential(zeros() - size * size), x);
}

inline Vector sigmoid(Vector x) { return splat(1.0f) / (exponential(zeros() - x) + splat(1.0f)); }

inline Vector silu(Vector x) { return x * sigmoid(x); }

inline Vector gelu(Vector x) {
  const Vector half = x * splat(0.5f);
  return half * error_function(x * splat(0.70710678118f)) + half;
}

// x (1 + tanh(u)) / 2 is x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3).
inline Vector gelu_tanh(Vector x) {
  const Vector inner = x * (x * x * splat(0.044715f) + splat(1.0f));
  return x * sigmoid(inner * splat(1.59576912161f));
}

inline Vector activated(int kind, Vector x) {
  switch (kind) {
    case MDX_SILU: return silu(x);
    case MDX_GELU: return gelu(x);
    case MDX_GELU_TANH: return gelu_tanh(x);
    case MDX_GELU_QUICK: return x * sigmoid(x * splat(1.702f));
    default: return x;
  }
}

}  // namespace mdx

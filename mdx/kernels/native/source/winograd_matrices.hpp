// The three one-dimensional transforms of F(4, 3) on the points 0, P, -P, Q, -Q and infinity.
//
// P = 3/4 and Q = 3/2 lose about a third as much to rounding as 1 and 2 do. With even and odd
// powers apart, the values at a point and at its negative share their terms.
#pragma once
#include "simd.hpp"

namespace mdx {

constexpr int TILE = 4;    // results along a side of a tile
constexpr int POINTS = 6;  // values along a side
constexpr float P = 0.75f, Q = 1.5f, P2 = P * P, Q2 = Q * Q;

// Six numbers of a tile's row (or column) to their six values.
inline void tile_values(const Vector* d, Vector* to) {
  to[0] = splat(P2 * Q2) * d[0] + (d[4] - splat(P2 + Q2) * d[2]);
  Vector even = d[4] - splat(Q2) * d[2], odd = splat(P) * (d[3] - splat(Q2) * d[1]);
  to[1] = even + odd;
  to[2] = even - odd;
  even = d[4] - splat(P2) * d[2], odd = splat(Q) * (d[3] - splat(P2) * d[1]);
  to[3] = even + odd;
  to[4] = even - odd;
  to[5] = splat(P2 * Q2) * d[1] + (d[5] - splat(P2 + Q2) * d[3]);
}

// Three numbers of a kernel to their six values, divided by what interpolation divides by.
inline void kernel_values(const Vector* g, Vector* to) {
  constexpr float AT_P = 1 / (2 * P2 * (P2 - Q2)), AT_Q = 1 / (2 * Q2 * (Q2 - P2));
  to[0] = splat(1 / (P2 * Q2)) * g[0];
  Vector even = splat(AT_P) * (splat(P2) * g[2] + g[0]), odd = splat(AT_P * P) * g[1];
  to[1] = even + odd;
  to[2] = even - odd;
  even = splat(AT_Q) * (splat(Q2) * g[2] + g[0]), odd = splat(AT_Q * Q) * g[1];
  to[3] = even + odd;
  to[4] = even - odd;
  to[5] = g[2];
}

// Six values to four results.
inline void results_of_values(const Vector* m, Vector* to) {
  const Vector p_even = m[1] + m[2], p_odd = m[1] - m[2];
  const Vector q_even = m[3] + m[4], q_odd = m[3] - m[4];
  to[0] = m[0] + (p_even + q_even);
  to[1] = splat(P) * p_odd + splat(Q) * q_odd;
  to[2] = splat(P2) * p_even + splat(Q2) * q_even;
  to[3] = splat(P * P2) * p_odd + (splat(Q * Q2) * q_odd + m[5]);
}

}  // namespace mdx

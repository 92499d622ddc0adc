// What convolutions read: maps normalised, activated, enlarged and with a border of zeros.
#pragma once
#include "norms.hpp"

namespace mdx {

struct Pictures {
  const float* x;
  long batch, channels, height, width;
  long enlarged_height, enlarged_width;  // before the border
  long top, left, padded_height, padded_width;
  MapNorm norm;

  // Row `y` of the padded channel, from its left end on, `length` numbers (zeros past its width).
  // May write a vector more.
  void row(long picture, long channel, long y, long length, float* to) const;
};

Pictures pictures(const mdx_convolution_call& call);

// The four phases of a row apart: to[phase * spacing + i] = row[4 i + phase], `count` of each, a
// multiple of four.
void in_four_phases(const float* row, long count, long spacing, float* to);

}  // namespace mdx

// Winograd's filtering F(4x4, 3x3): a tile of 4x4 results takes 36 products where 144 are direct.
// Fast algorithms for convolutional neural networks, arXiv 1509.09308.
#pragma once
#include "pictures.hpp"

namespace mdx {

// Whether it is quicker than the direct way for so many channels and pixels of results.
bool winograd_pays(long inputs, long outputs, long pixels);

// bias (batch, outputs) or null.
void winograd(const mdx_convolution_call& call, const Pictures& p, const float* bias, long out_rows,
              long out_columns);

}  // namespace mdx

// Norms: their moments, for operators that normalise while they read, and norms by themselves.
#pragma once
#include "operands.hpp"

namespace mdx {

// Moments of maps (batch, channels, places), in the operator's shared memory.
MapNorm map_norm(const mdx_norm& norm, const float* x, long batch, long channels, long places);

// Rows (count, channels), each normalised over its channels (layer or rms), or only activated.
void normalise_rows(const mdx_norm& norm, const float* x, long count, long channels, float* out);

void normalise_maps(const mdx_norm& norm, const float* x, long batch, long channels, long places,
                    float* out);

}  // namespace mdx

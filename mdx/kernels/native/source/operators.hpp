// The operators behind the interface; what they cannot do they throw as a Refusal.
#pragma once
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "operators.h"

namespace mdx {

struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void require(bool holds, const std::string& message) {
  if (!holds) throw Refusal(message);
}

inline void require_sizes(std::initializer_list<int64_t> sizes) {
  for (int64_t size : sizes) require(size >= 1, "every size of an array is at least 1");
}

// What operators can normalise before they read, or by themselves.
inline void require_norm(const mdx_norm& norm, int64_t channels, int32_t layout) {
  require(norm.activation == MDX_IDENTITY || norm.activation == MDX_SILU,
          "only silu may follow a norm");
  if (norm.kind != MDX_GROUP_NORM) return;
  require(layout == MDX_MAPS, "groups are normalised on maps, not on rows");
  require(norm.groups >= 1 && channels % norm.groups == 0,
          std::to_string(channels) + " channels are not " + std::to_string(norm.groups) +
              " equal groups");
}

void linear(const mdx_linear_call& call);
void convolution(const mdx_convolution_call& call);
void attention(const mdx_attention_call& call);
void normalise(const mdx_norm_call& call);
void activate(const mdx_activation_call& call);
void rotate(const mdx_rotary_call& call);

}  // namespace mdx

// What products read: matrices whose steps lie next to each other, and maps whose places do.
#pragma once
#include <type_traits>

#include "functions.hpp"
#include "packing.hpp"

namespace mdx {

// One side of a product: packs `count` of its rows (or columns) from `first` on, steps k0 to k1,
// into a panel of `width`. k0 is even.
struct Operand {
  virtual void pack(long picture, long first, int count, int width, long k0, long k1, bool pairs,
                    float* panel) const = 0;

 protected:
  ~Operand() = default;
};

// Rows of a weight, or of tokens.
struct Matrix final : Operand {
  mdx_parameter numbers;
  long stride;           // between rows
  long picture_stride;   // 0 where pictures share it
  float factor = 1.0f;

  Matrix(mdx_parameter numbers, long stride, long picture_stride = 0)
      : numbers(numbers), stride(stride), picture_stride(picture_stride) {}

  void pack(long picture, long first, int count, int width, long k0, long k1, bool pairs,
            float* panel) const override {
    typed(numbers, [&](const auto* from) {
      using Number = std::remove_const_t<std::remove_pointer_t<decltype(from)>>;
      const Number* rows = from + picture * picture_stride + first * stride + k0;
      pack_across(Across<Number>{rows, stride, k1 - k0, pairs, factor}, count, width, panel);
    });
  }
};

// How maps are normalised while they are packed.
struct MapNorm {
  const float *scale = nullptr, *shift = nullptr;  // (batch, channels): x scale + shift
  const float *mean = nullptr, *inverse = nullptr;  // (batch, places): (x - mean) inverse ...
  const float *weight = nullptr, *bias = nullptr;   // (channels): ... weight + bias
  bool silu = false;
};

// Places of maps (batch, channels, places); channels are the steps.
struct Maps final : Operand {
  const float* x;
  long channels, places;
  long picture_stride;
  MapNorm norm;
  float factor = 1.0f;

  Maps(const float* x, long channels, long places, long picture_stride)
      : x(x), channels(channels), places(places), picture_stride(picture_stride) {}

  // Without pictures apart, columns count through the places of all of them.
  void pack(long picture, long first, int count, int width, long k0, long k1, bool pairs,
            float* panel) const override {
    const float* from = x + picture * picture_stride + first;
    if (norm.scale != nullptr) {
      const float *scale = norm.scale + picture * channels, *shift = norm.shift + picture * channels;
      const auto row = [&](long k, int offset, int lanes) {
        return load_part(from + k * places + offset, lanes) * splat(scale[k]) + splat(shift[k]);
      };
      return finished(row, count, width, k0, k1, pairs, panel);
    }
    if (norm.mean != nullptr) {
      const long place = picture * places + first;
      const auto row = [&](long k, int offset, int lanes) {
        const Vector mean = load_part(norm.mean + place + offset, lanes);
        const Vector inverse = load_part(norm.inverse + place + offset, lanes);
        const Vector centred = load_part(from + k * places + offset, lanes) - mean;
        return centred * inverse * splat(norm.weight[k]) + splat(norm.bias[k]);
      };
      return finished(row, count, width, k0, k1, pairs, panel);
    }
    const auto row = [&](long k, int offset, int lanes) {
      return load_part(from + k * places + offset, lanes) * splat(factor);
    };
    finished(row, count, width, k0, k1, pairs, panel);
  }

 private:
  template <class Row>
  void finished(const Row& row, int count, int width, long k0, long k1, bool pairs,
                float* panel) const {
    if (!norm.silu) return pack_along(row, count, width, k0, k1, pairs, panel);
    const auto active = [&](long k, int offset, int lanes) { return silu(row(k, offset, lanes)); };
    pack_along(active, count, width, k0, k1, pairs, panel);
  }
};

}  // namespace mdx

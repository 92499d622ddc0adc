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

// How maps are normalised while they are packed. A mean is the sum of two numbers: one alone, with
// the rounding of a float32, would be too far off where numbers differ little from their mean.
struct MapNorm {
  // (x - mean) scale + bias, all (batch, channels); the mean's second part is in the bias. Or
  const float* scale = nullptr;
  // (x - mean - rest) inverse weight + bias, the first three (batch, places), others (channels).
  const float *rest = nullptr, *inverse = nullptr, *weight = nullptr;
  const float *mean = nullptr, *bias = nullptr;  // of either
  bool silu = false;

  bool of_channels() const { return scale != nullptr; }
  bool of_places() const { return inverse != nullptr; }
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
    if (norm.of_channels()) {
      const long map = picture * channels;
      const float *mean = norm.mean + map, *scale = norm.scale + map, *bias = norm.bias + map;
      const auto row = [&](long k, int offset, int lanes) {
        const Vector centred = load_part(from + k * places + offset, lanes) - splat(mean[k]);
        return centred * splat(scale[k]) + splat(bias[k]);
      };
      return finished(row, count, width, k0, k1, pairs, panel);
    }
    if (norm.of_places()) {
      Vector mean[2], rest[2], inverse[2];
      for (int part = 0; part < 2; part++) {
        const long at = picture * places + first + part * LANES;
        const int lanes = lanes_of(count, part);
        mean[part] = load_part(norm.mean + at, lanes);
        rest[part] = load_part(norm.rest + at, lanes);
        inverse[part] = load_part(norm.inverse + at, lanes);
      }
      const auto row = [&](long k, int offset, int lanes) {
        const int part = offset / LANES;
        const Vector centred = load_part(from + k * places + offset, lanes) - mean[part];
        const Vector unit = (centred - rest[part]) * inverse[part];
        return unit * splat(norm.weight[k]) + splat(norm.bias[k]);
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

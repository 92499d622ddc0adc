// Where finished sums go: bias, activation, gate and residual on the way.
#pragma once
#include "functions.hpp"
#include "product.hpp"

namespace mdx {

struct Results final : Finish {
  float* out;
  long picture_stride, row_stride;
  const float* residual = nullptr;  // as out
  const float* row_bias = nullptr;  // of each row, `bias_stride` apart between pictures; or
  long bias_stride = 0;
  const float* column_bias = nullptr;  // of each column
  long value_bias = 0, gate_bias = 0;  // where those of values and gates begin in either
  int activation = MDX_IDENTITY;

  Results(float* out, long picture_stride, long row_stride)
      : out(out), picture_stride(picture_stride), row_stride(row_stride) {}

  void tile(const float* sums, const float* gates, long picture, long row, int rows, long column,
            int columns) const override {
    for (int i = 0; i < rows; i++) {
      for (int part = 0; part < 2; part++) {
        const int lanes = lanes_of(columns, part), offset = part * LANES;
        if (lanes == 0) break;
        const long at = picture * picture_stride + (row + i) * row_stride + column + offset;
        Vector v = load(sums + i * COLUMNS + offset) + bias(value_bias, picture, row + i,
                                                            column + offset, lanes);
        if (gates != nullptr) {
          const Vector gate = load(gates + i * COLUMNS + offset) +
                              bias(gate_bias, picture, row + i, column + offset, lanes);
          v = v * activated(activation, gate);
        } else if (activation != MDX_IDENTITY) {
          v = activated(activation, v);
        }
        if (residual != nullptr) v = v + load_part(residual + at, lanes);
        store_part(out + at, lanes, v);
      }
    }
  }

 private:
  Vector bias(long begin, long picture, long row, long column, int lanes) const {
    if (row_bias != nullptr) return splat(row_bias[begin + picture * bias_stride + row]);
    if (column_bias != nullptr) return load_part(column_bias + begin + column, lanes);
    return zeros();
  }
};

}  // namespace mdx

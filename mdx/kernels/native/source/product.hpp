// Products of matrices, in blocks that caches hold and in parts that threads share.
#pragma once
#include "operands.hpp"

namespace mdx {

// Takes finished sums: `rows` by `columns` of a tile (rows, COLUMNS), and those of its gate.
struct Finish {
  virtual void tile(const float* sums, const float* gates, long picture, long row, int rows,
                    long column, int columns) const = 0;

 protected:
  ~Finish() = default;
};

// Which side has twice as many numbers, the second half being those of gates.
enum class Gates { none, rows, columns };

struct Product {
  const Operand& a;  // its rows are the same for all pictures
  const Operand& b;
  const Finish& finish;
  long rows, pictures, columns, steps;  // columns: of each picture; rows and columns without gates
  bool pairs;
  Gates gates;
  // Where the gated side's two halves begin.
  long first_value = 0, first_gate = 0;
};

// The sums of one element are made in the same order whatever the number of threads.
void multiply(const Product& product);

}  // namespace mdx

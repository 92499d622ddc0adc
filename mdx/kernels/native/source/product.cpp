#include "product.hpp"

#include <algorithm>

#include "memory.hpp"
#include "pool.hpp"
#include "tile.hpp"

namespace mdx {
namespace {

// A panel of rows (ROWS, STEPS) stays in the first cache while panels of columns pass by it from
// the second, which holds all of a block's.
constexpr long STEPS = 384;
constexpr long BLOCK_COLUMNS = 512;
constexpr long BLOCK_ROWS = 1280;
constexpr long SMALLEST = 8;  // tiles of a block, below which sharing costs more than it gains

long parts(long whole, long part) { return (whole + part - 1) / part; }

// Part of a product for one thread: rows, and panels of columns counted through all pictures.
struct Block {
  long row0, row1, panel0, panel1;
};

struct Panel {
  long picture, column;
  int columns;
};

Panel panel_at(const Product& p, long index) {
  const long each = parts(p.columns, COLUMNS);
  const long column = index % each * COLUMNS;
  return {index / each, column, static_cast<int>(std::min<long>(COLUMNS, p.columns - column))};
}

void pack_columns(const Product& p, const Block& block, long k0, long k1, float* panels) {
  const long size = words_of(k1 - k0, p.pairs) * COLUMNS;
  const bool gated = p.gates == Gates::columns;
  for (long i = block.panel0; i < block.panel1; i++) {
    const Panel at = panel_at(p, i);
    const long first = at.column + (gated ? p.first_value : 0);
    p.b.pack(at.picture, first, at.columns, COLUMNS, k0, k1, p.pairs, panels);
    panels += size;
    if (!gated) continue;
    p.b.pack(at.picture, at.column + p.first_gate, at.columns, COLUMNS, k0, k1, p.pairs, panels);
    panels += size;
  }
}

void multiply_block(const Product& p, const Block& block) {
  const int kinds = p.gates == Gates::none ? 1 : 2;
  const bool row_gates = p.gates == Gates::rows, column_gates = p.gates == Gates::columns;
  const long stretches = std::max(1L, parts(p.steps, STEPS));
  // Even, for pairs.
  const long stretch = (parts(p.steps, stretches) + 1) / 2 * 2;
  const long panels = block.panel1 - block.panel0;
  float* columns = own_memory(Use::panels, panels * stretch * COLUMNS * (column_gates ? 2 : 1));
  float* rows = own_memory(Use::rows, stretch * ROWS * kinds);
  float* gate_rows = row_gates ? rows + stretch * ROWS : rows;
  const long tile = ROWS * COLUMNS, row_tiles = parts(block.row1 - block.row0, ROWS);
  // Unfinished sums wait for the next stretch of steps.
  const long kept = stretches > 1 ? row_tiles * panels : 1;
  float* sums = own_memory(Use::sums, kept * kinds * tile);
  for (long k0 = 0; k0 < p.steps; k0 += stretch) {
    const long k1 = std::min(p.steps, k0 + stretch), words = words_of(k1 - k0, p.pairs);
    pack_columns(p, block, k0, k1, columns);
    for (long i = 0; i < row_tiles; i++) {
      const long row = block.row0 + i * ROWS;
      const int count = static_cast<int>(std::min<long>(ROWS, block.row1 - row));
      p.a.pack(0, row + (row_gates ? p.first_value : 0), count, count, k0, k1, p.pairs, rows);
      if (row_gates) p.a.pack(0, row + p.first_gate, count, count, k0, k1, p.pairs, gate_rows);
      for (long j = 0; j < panels; j++) {
        float* sum = sums + (stretches > 1 ? (i * panels + j) * kinds * tile : 0);
        const float* panel = columns + j * words * COLUMNS * (column_gates ? 2 : 1);
        const float* gate_panel = column_gates ? panel + words * COLUMNS : panel;
        multiply_tile(count, p.pairs, words, rows, panel, k0 ? sum : nullptr, nullptr, sum);
        float* gate = kinds == 2 ? sum + tile : nullptr;
        if (gate != nullptr) {
          multiply_tile(count, p.pairs, words, gate_rows, gate_panel, k0 ? gate : nullptr, nullptr,
                        gate);
        }
        if (k1 < p.steps) continue;
        const Panel at = panel_at(p, block.panel0 + j);
        p.finish.tile(sum, gate, at.picture, row, count, at.column, at.columns);
      }
    }
  }
}

}  // namespace

void multiply(const Product& p) {
  const long panels = p.pictures * parts(p.columns, COLUMNS);
  if (panels == 0 || p.rows == 0) return;
  long wide = std::min(panels, BLOCK_COLUMNS / COLUMNS);
  long high = std::min(parts(p.rows, ROWS), BLOCK_ROWS / ROWS);
  const long enough = threads() == 1 ? 1 : 3L * threads();
  const auto blocks = [&] { return parts(panels, wide) * parts(parts(p.rows, ROWS), high); };
  while (blocks() < enough && high * wide > SMALLEST) {
    // The longer side's partner is packed once more for each half of it: that costs least.
    if (wide == 1 || (high > 1 && high * ROWS >= wide * COLUMNS)) {
      high = parts(high, 2);
    } else {
      wide = parts(wide, 2);
    }
  }
  const long across = parts(panels, wide);
  in_parallel(blocks(), [&](long index) {
    const long i = index / across, j = index % across;
    multiply_block(p, {i * high * ROWS, std::min(p.rows, (i + 1) * high * ROWS), j * wide,
                       std::min(panels, (j + 1) * wide)});
  });
}

}  // namespace mdx

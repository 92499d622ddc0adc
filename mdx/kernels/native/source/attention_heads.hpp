// The arrays of attention as operands of its two products, head by head, in either layout.
#pragma once
#include "operands.hpp"
#include "operators.hpp"

namespace mdx {

// Channels `size` of head `head` of `heads`; the rows (or columns) are places.
template <class Action>
void head_places(const float* x, int layout, long picture, long heads, long head, long size,
                 long places, float factor, const Action& with_operand) {
  if (layout == MDX_ROWS) {
    const float* from = x + (picture * places * heads + head) * size;
    Matrix operand({from, MDX_FLOAT32}, heads * size);
    operand.factor = factor;
    return with_operand(operand);
  }
  Maps operand(x + (picture * heads + head) * size * places, size, places, 0);
  operand.factor = factor;
  with_operand(operand);
}

// The same numbers the other way round: the rows are channels, the steps places.
template <class Action>
void head_channels(const float* x, int layout, long picture, long heads, long head, long size,
                   long places, const Action& with_operand) {
  if (layout == MDX_ROWS) {
    const float* from = x + (picture * places * heads + head) * size;
    return with_operand(Maps(from, places, heads * size, 0));
  }
  const float* from = x + (picture * heads + head) * size * places;
  with_operand(Matrix({from, MDX_FLOAT32}, places));
}

// Packed keys and values of one head, in blocks of KEYS keys.
struct PackedHead {
  static constexpr long KEYS = 60;  // whole panels of ROWS, and whole pairs
  static_assert(KEYS % ROWS == 0 && KEYS % 2 == 0, "a block is whole panels");

  long size, value_size, keys;
  bool pairs;

  long blocks() const { return (keys + KEYS - 1) / KEYS; }
  long keys_of(long block) const { return keys - block * KEYS < KEYS ? keys - block * KEYS : KEYS; }
  long key_floats() const { return words_of(size, pairs) * KEYS; }           // of a block
  long value_floats() const { return words_of(KEYS, pairs) * value_size; }  // of a block
  // A vector apart, for what packing writes too much.
  long block_floats() const { return key_floats() + value_floats() + 2 * COLUMNS; }
  long floats() const { return blocks() * block_floats(); }

  const float* keys_at(const float* head, long block) const {
    return head + block * block_floats();
  }
  const float* values_at(const float* head, long block) const {
    return keys_at(head, block) + key_floats() + COLUMNS;
  }

  // Packs a block of head `head` of the call into that head's memory.
  void pack(const mdx_attention_call& call, long picture, long head, long block, float* to) const;
};

// Writes (channels, COLUMNS) times factors (COLUMNS) as `count` places of a head, from `first` on.
void write_head(const mdx_attention_call& call, long picture, long head, long first, int count,
                float* numbers, const float* factors);

}  // namespace mdx

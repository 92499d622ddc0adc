// Attention with softmax on the way: scores of KEYS keys and COLUMNS queries exist at a time, and
// what was read so far is scaled where a larger score appears. Scores are transposed (the lanes
// are queries), so that greatest score and sum are vectors. FlashAttention, arXiv 2205.14135;
// Online normalizer calculation for softmax, arXiv 1805.02867.
#include <algorithm>
#include <limits>

#include "attention_heads.hpp"
#include "memory.hpp"
#include "pool.hpp"
#include "tile.hpp"

namespace mdx {
namespace {

constexpr long KEYS = PackedHead::KEYS;
constexpr long PACKED_FLOATS = 8L << 20;  // of heads that are packed at once: 32 MB
constexpr long QUERY_FLOATS = 64L << 10;  // of queries and what they read, of a thread: 256 KB
constexpr long PANELS = 8;
constexpr float LEAST = -1e30f;  // below any score; finite, so that differences are numbers
constexpr float LOG2_E = 1.44269504089f;

// Some panels of queries of one head, and what they have read.
struct Reader {
  const mdx_attention_call& call;
  const PackedHead& packed;
  long picture, head;
  float *queries, *read, *greatest, *sums;  // panel after panel; the last two COLUMNS each
  float *scores, *shrinking;

  // Keys that queries from `first` on may not see become minus infinity.
  void hide(long block, long first) const {
    const Vector hidden = splat(-std::numeric_limits<float>::infinity());
    for (long s = 0; s < packed.keys_of(block); s++) {
      const long key = block * KEYS + s;
      long lanes = call.causal ? std::clamp(key - first, 0L, 0L + COLUMNS) : 0;
      if (call.mask != nullptr && call.mask[picture * call.keys + key] == 0.0f) lanes = COLUMNS;
      for (int part = 0; part < 2; part++) {
        store_part(scores + s * COLUMNS + part * LANES, lanes_of(static_cast<int>(lanes), part),
                   hidden);
      }
    }
  }

  // Scores become weights, 2^(score - greatest); pairs of them where products are of pairs.
  void weigh(long keys, float* greatest_so_far, float* sum_so_far) const {
    for (int part = 0; part < 2; part++) {
      float* at = scores + part * LANES;
      const Vector before = load(greatest_so_far + part * LANES);
      Vector most = before;
      for (long s = 0; s < keys; s++) most = larger(most, load(at + s * COLUMNS));
      const Vector shrink = power_of_two(before - most);
      Vector sum = load(sum_so_far + part * LANES) * shrink;
      if (packed.pairs) {
        for (long s = 0; s < keys; s += 2) {
          const Vector one = power_of_two(load(at + s * COLUMNS) - most);
          const Vector two =
              s + 1 < keys ? power_of_two(load(at + (s + 1) * COLUMNS) - most) : zeros();
          sum = sum + (one + two);
          store(at + s / 2 * COLUMNS, paired(one, two));
        }
      } else {
        for (long s = 0; s < keys; s++) {
          const Vector weight = power_of_two(load(at + s * COLUMNS) - most);
          sum = sum + weight;
          store(at + s * COLUMNS, weight);
        }
      }
      store(greatest_so_far + part * LANES, most);
      store(sum_so_far + part * LANES, sum);
      store(shrinking + part * LANES, shrink);
    }
  }

  // Panel `panel`, whose first query is `first`, reads a block.
  void read_block(const float* head_keys, long block, long panel, long first) const {
    const long keys = packed.keys_of(block), words = words_of(packed.size, packed.pairs);
    const float* keys_from = packed.keys_at(head_keys, block);
    for (long s = 0; s < keys; s += ROWS) {
      const int rows = static_cast<int>(std::min<long>(ROWS, keys - s));
      multiply_tile(rows, packed.pairs, words, keys_from + s * words,
                    queries + panel * words * COLUMNS, nullptr, nullptr, scores + s * COLUMNS);
    }
    if (call.mask != nullptr || (call.causal && (block + 1) * KEYS > first)) hide(block, first);
    weigh(keys, greatest + panel * COLUMNS, sums + panel * COLUMNS);
    const long value_words = words_of(keys, packed.pairs);
    const float* values_from = packed.values_at(head_keys, block);
    float* to = read + panel * packed.value_size * COLUMNS;
    for (long i = 0; i < packed.value_size; i += ROWS) {
      const int rows = static_cast<int>(std::min<long>(ROWS, packed.value_size - i));
      float* sum = to + i * COLUMNS;
      multiply_tile(rows, packed.pairs, value_words, values_from + i * value_words, scores,
                    block == 0 ? nullptr : sum, shrinking, sum);
    }
  }
};

// Queries q0 to q1 of a head, q0 a whole number of panels.
void attend(const mdx_attention_call& call, const PackedHead& packed, const float* head_keys,
            long picture, long head, long q0, long q1) {
  const long panels = (q1 - q0 + COLUMNS - 1) / COLUMNS;
  const long words = words_of(packed.size, packed.pairs);
  float* queries = own_memory(Use::panels, panels * words * COLUMNS);
  float* read = own_memory(Use::sums, panels * packed.value_size * COLUMNS);
  float* state = own_memory(Use::tile, 2 * panels * COLUMNS + (KEYS + 1) * COLUMNS);
  float *greatest = state, *sums = greatest + panels * COLUMNS;
  float *scores = sums + panels * COLUMNS, *shrinking = scores + KEYS * COLUMNS;
  const Reader reader{call,     packed, picture, head,   queries,
                      read, greatest, sums,   scores,  shrinking};
  std::fill(greatest, greatest + panels * COLUMNS, LEAST);
  std::fill(sums, sums + panels * COLUMNS, 0.0f);
  head_places(call.q, call.q_layout, picture, call.heads, head, packed.size, call.queries,
              call.scale * LOG2_E, [&](const Operand& operand) {
                for (long i = 0; i < panels; i++) {
                  const long first = q0 + i * COLUMNS;
                  const int count = static_cast<int>(std::min<long>(COLUMNS, q1 - first));
                  operand.pack(0, first, count, COLUMNS, 0, packed.size, packed.pairs,
                               queries + i * words * COLUMNS);
                }
              });
  for (long block = 0; block < packed.blocks(); block++) {
    for (long i = 0; i < panels; i++) {
      const long first = q0 + i * COLUMNS;
      if (call.causal && block * KEYS >= first + COLUMNS) continue;
      reader.read_block(head_keys, block, i, first);
    }
  }
  for (long i = 0; i < panels; i++) {
    const long first = q0 + i * COLUMNS;
    const int count = static_cast<int>(std::min<long>(COLUMNS, q1 - first));
    float* sum = sums + i * COLUMNS;
    for (int lane = 0; lane < COLUMNS; lane++) {
      sum[lane] = sum[lane] == 0.0f ? 0.0f : 1.0f / sum[lane];
    }
    write_head(call, picture, head, first, count, read + i * packed.value_size * COLUMNS, sum);
  }
}

}  // namespace

void attention(const mdx_attention_call& call) {
  require_sizes({call.batch, call.heads, call.key_heads, call.queries, call.keys, call.size,
                 call.value_size});
  require(call.heads % call.key_heads == 0,
          "attention: heads must be a multiple of key_heads");
  const PackedHead packed{call.size, call.value_size, call.keys, HAS_PAIRS && call.bfloat16 != 0};
  const long readers = call.heads / call.key_heads, all = call.batch * call.key_heads;
  const long some = std::clamp(PACKED_FLOATS / packed.floats(), 1L, all);
  float* heads = shared_memory(Shared::keys, some * packed.floats());
  long wide = std::clamp(QUERY_FLOATS / ((packed.size + packed.value_size) * COLUMNS), 1L, PANELS);
  const auto parts = [&] { return (call.queries + wide * COLUMNS - 1) / (wide * COLUMNS); };
  while (wide > 1 && some * readers * parts() < 3 * threads()) wide = (wide + 1) / 2;
  for (long begin = 0; begin < all; begin += some) {
    const long count = std::min(some, all - begin);
    in_parallel(count * packed.blocks(), [&](long i) {
      const long head = begin + i / packed.blocks();
      packed.pack(call, head / call.key_heads, head % call.key_heads, i % packed.blocks(),
                  heads + i / packed.blocks() * packed.floats());
    });
    in_parallel(count * readers * parts(), [&](long i) {
      const long part = i % parts(), reader = i / parts() % readers, local = i / parts() / readers;
      const long head = begin + local, picture = head / call.key_heads;
      const long q0 = part * wide * COLUMNS;
      attend(call, packed, heads + local * packed.floats(), picture,
             head % call.key_heads * readers + reader, q0,
             std::min<long>(call.queries, q0 + wide * COLUMNS));
    });
  }
}

}  // namespace mdx

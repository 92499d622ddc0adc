#include "attention_heads.hpp"

#include <algorithm>

namespace mdx {

void PackedHead::pack(const mdx_attention_call& call, long picture, long head, long block,
                      float* to) const {
  const long begin = block * KEYS, count = keys_of(block);
  float* keys_to = const_cast<float*>(keys_at(to, block));
  float* values_to = const_cast<float*>(values_at(to, block));
  head_places(call.k, call.k_layout, picture, call.key_heads, head, size, keys, 1.0f,
              [&](const Operand& operand) {
                for (long s = 0; s < count; s += ROWS) {
                  const int rows = static_cast<int>(std::min<long>(ROWS, count - s));
                  operand.pack(0, begin + s, rows, rows, 0, size, pairs,
                               keys_to + s * words_of(size, pairs));
                }
              });
  head_channels(call.v, call.v_layout, picture, call.key_heads, head, value_size, keys,
                [&](const Operand& operand) {
                  for (long i = 0; i < value_size; i += ROWS) {
                    const int rows = static_cast<int>(std::min<long>(ROWS, value_size - i));
                    operand.pack(0, i, rows, rows, begin, begin + count, pairs,
                                 values_to + i * words_of(count, pairs));
                  }
                });
}

void write_head(const mdx_attention_call& call, long picture, long head, long first, int count,
                float* numbers, const float* factors) {
  const long size = call.value_size;
  for (int part = 0; part < 2; part++) {
    const Vector factor = load(factors + part * LANES);
    const int lanes = lanes_of(count, part);
    for (long i = 0; i < size; i++) {
      float* at = numbers + i * COLUMNS + part * LANES;
      const Vector v = load(at) * factor;
      if (call.out_layout == MDX_ROWS) {
        store(at, v);
        continue;
      }
      const long map = (picture * call.heads + head) * size + i;
      store_part(call.out + map * call.queries + first + part * LANES, lanes, v);
    }
  }
  if (call.out_layout != MDX_ROWS) return;
  const long row = call.heads * size;
  float* to = call.out + (picture * call.queries + first) * row + head * size;
  const int square = count / 4 * 4;
  const long whole = size / 4 * 4;
  for (int t = 0; t < square; t += 4) {
    for (long i = 0; i < whole; i += 4) {
      const float* from = numbers + i * COLUMNS + t;
      __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + COLUMNS);
      __m128 c = _mm_loadu_ps(from + 2 * COLUMNS), d = _mm_loadu_ps(from + 3 * COLUMNS);
      _MM_TRANSPOSE4_PS(a, b, c, d);
      _mm_storeu_ps(to + t * row + i, a);
      _mm_storeu_ps(to + (t + 1) * row + i, b);
      _mm_storeu_ps(to + (t + 2) * row + i, c);
      _mm_storeu_ps(to + (t + 3) * row + i, d);
    }
  }
  for (int t = 0; t < count; t++) {
    for (long i = t < square ? whole : 0; i < size; i++) {
      to[t * row + i] = numbers[i * COLUMNS + t];
    }
  }
}

}  // namespace mdx

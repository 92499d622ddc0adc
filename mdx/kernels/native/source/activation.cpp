// Activations by themselves, with or without the gate that multiplies them.
#include <algorithm>

#include "functions.hpp"
#include "operators.hpp"
#include "pool.hpp"

namespace mdx {

void activate(const mdx_activation_call& call) {
  require_sizes({call.batch, call.places, call.channels});
  // Stretches that lie together: a row's channels, or a picture's maps.
  const bool rows = call.layout == MDX_ROWS;
  const long count = rows ? call.batch * call.places : call.batch;
  const long length = rows ? call.channels : call.channels * call.places;
  const bool gated = call.gate != MDX_NO_GATE;
  const long value_at = call.gate == MDX_GATE_FIRST ? length : 0, gate_at = length - value_at;
  const long some = 4096, parts = (length + some - 1) / some;  // numbers that a thread takes
  const long together = std::max(1L, some / length);           // or stretches, where they are short
  in_parallel((count + together - 1) / together * parts, [&](long index) {
    const long part = index % parts, first = index / parts * together;
    for (long stretch = first; stretch < std::min(count, first + together); stretch++) {
      const float* x = call.x + stretch * length * (gated ? 2 : 1);
      float* out = call.out + stretch * length;
      const long end = std::min(length, (part + 1) * some);
      for (long i = part * some; i < end; i += LANES) {
        const int lanes = static_cast<int>(std::min<long>(LANES, end - i));
        if (!gated) {
          store_part(out + i, lanes, activated(call.activation, load_part(x + i, lanes)));
          continue;
        }
        const Vector gate = activated(call.activation, load_part(x + gate_at + i, lanes));
        store_part(out + i, lanes, load_part(x + value_at + i, lanes) * gate);
      }
    }
  });
}

}  // namespace mdx

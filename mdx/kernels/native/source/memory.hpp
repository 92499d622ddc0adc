// Memory that operators work in: it grows to what was needed most, and is kept between calls.
#pragma once
#include <cstddef>
#include <cstdint>

namespace mdx {

// What a piece of memory holds; pieces of different uses exist at once.
enum class Use { panels, rows, sums, tile, other, COUNT };

// Of this thread: at least `floats` numbers and room for two vectors more, on a cache line.
float* own_memory(Use use, size_t floats);

// Of the operator that runs, for all of its threads.
enum class Shared { norm, weights, tiles, keys, COUNT };
float* shared_memory(Shared use, size_t floats);

int64_t memory_kept();  // bytes

}  // namespace mdx

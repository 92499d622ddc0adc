#include "memory.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace mdx {
namespace {

constexpr size_t LINE = 64;
constexpr size_t SLACK = 32;  // floats: whole vectors may be read and written at an end

std::atomic<int64_t> kept{0};

template <class Kind>
struct Pieces {
  float* pieces[static_cast<int>(Kind::COUNT)] = {};
  size_t sizes[static_cast<int>(Kind::COUNT)] = {};

  float* get(Kind use, size_t floats) {
    const int i = static_cast<int>(use);
    if (pieces[i] == nullptr || sizes[i] < floats) {
      const size_t bytes = ((floats + SLACK) * sizeof(float) + LINE - 1) / LINE * LINE;
      drop(i);
      pieces[i] = static_cast<float*>(std::aligned_alloc(LINE, bytes));
      if (pieces[i] == nullptr) throw std::bad_alloc();
      sizes[i] = floats;
      kept += static_cast<int64_t>(floats * sizeof(float));
    }
    return pieces[i];
  }

  void drop(int i) {
    std::free(pieces[i]);
    kept -= static_cast<int64_t>(sizes[i] * sizeof(float));
    pieces[i] = nullptr;
    sizes[i] = 0;
  }

  ~Pieces() {
    for (int i = 0; i < static_cast<int>(Kind::COUNT); i++) drop(i);
  }
};

}  // namespace

float* own_memory(Use use, size_t floats) {
  static thread_local Pieces<Use> pieces;
  return pieces.get(use, floats);
}

float* shared_memory(Shared use, size_t floats) {
  // Never freed: a process may end while another thread still runs an operator.
  static Pieces<Shared>* pieces = new Pieces<Shared>;
  return pieces->get(use, floats);
}

int64_t memory_kept() { return kept; }

}  // namespace mdx

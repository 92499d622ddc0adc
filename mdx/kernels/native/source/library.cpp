// The interface: checks that are common to all operators, and exceptions as words.
#include <new>
#include <string>

#include "memory.hpp"
#include "norms.hpp"
#include "operators.hpp"
#include "pool.hpp"

namespace mdx {
namespace {

thread_local std::string last_error;

template <class Call>
int run(void (*operation)(const Call&), const Call* call) {
  try {
    Turn turn;
    operation(*call);
    return 0;
  } catch (const std::bad_alloc&) {
    last_error = "no memory left";
    return 2;
  } catch (const std::exception& error) {
    last_error = error.what();
    return 1;
  }
}

}  // namespace

void normalise(const mdx_norm_call& call) {
  require_sizes({call.batch, call.places, call.channels});
  require_norm(call.norm, call.channels, call.layout);
  if (call.layout == MDX_MAPS) {
    return normalise_maps(call.norm, call.x, call.batch, call.channels, call.places, call.out);
  }
  normalise_rows(call.norm, call.x, call.batch * call.places, call.channels, call.out);
}

}  // namespace mdx

int mdx_linear(const mdx_linear_call* call) { return mdx::run(mdx::linear, call); }
int mdx_convolution(const mdx_convolution_call* call) { return mdx::run(mdx::convolution, call); }
int mdx_attention(const mdx_attention_call* call) { return mdx::run(mdx::attention, call); }
int mdx_normalise(const mdx_norm_call* call) { return mdx::run(mdx::normalise, call); }
int mdx_activate(const mdx_activation_call* call) { return mdx::run(mdx::activate, call); }
int mdx_rotate(const mdx_rotary_call* call) { return mdx::run(mdx::rotate, call); }

const char* mdx_error(void) { return mdx::last_error.c_str(); }

const char* mdx_class(void) {
#if defined(__AVX512BF16__)
  return "avx512-bf16";
#elif defined(__AVX512F__)
  return "avx512";
#else
  return "avx2";
#endif
}

int mdx_threads(void) { return mdx::threads(); }

int mdx_set_threads(int count) {
  if (count < 1) return 1;
  mdx::set_threads(count);
  return 0;
}

int64_t mdx_memory(void) { return mdx::memory_kept(); }

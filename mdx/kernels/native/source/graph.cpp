// The operators as MindSpore calls them: ops.Custom(func_type="aot").
//
// Its inputs are a vector of float32 options, then the arrays in the order of operators.h, of which
// the optional ones are there where an option says so; the last parameter is the output. Options
// are small whole numbers, and epsilons and scales; options.py writes what is read here.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

#include "operators.h"

namespace mdx {
namespace {

// What MindSpore passes, read one after the other.
class Inputs {
 public:
  Inputs(int count, void** arrays, int* ranks, int64_t** shapes, const char** types)
      : count_(count), arrays_(arrays), ranks_(ranks), shapes_(shapes), types_(types) {}

  // The next option.
  float number() {
    if (option_ >= size(0)) throw std::invalid_argument("too few options");
    return static_cast<const float*>(arrays_[0])[option_++];
  }
  int32_t whole() { return static_cast<int32_t>(number()); }

  // The next array.
  int next() {
    if (array_ + 1 >= count_) throw std::invalid_argument("too few arrays");
    return array_++;
  }
  const float* floats(int i) const {
    if (std::strcmp(types_[i], "float32") != 0) {
      throw std::invalid_argument(std::string("an array of float32 is ") + types_[i]);
    }
    return static_cast<const float*>(arrays_[i]);
  }
  const float* next_floats() { return floats(next()); }
  // The next array, where the next option is not 0.
  const float* maybe_floats() { return whole() ? next_floats() : nullptr; }
  mdx_parameter next_parameter() { return parameter(next()); }
  mdx_parameter maybe_parameter() { return whole() ? next_parameter() : mdx_parameter{}; }
  mdx_parameter parameter(int i) const {
    const std::string type = types_[i];
    if (type == "float32") return {arrays_[i], MDX_FLOAT32};
    if (type == "float16") return {arrays_[i], MDX_FLOAT16};
    if (type == "bfloat16") return {arrays_[i], MDX_BFLOAT16};
    throw std::invalid_argument("a parameter is " + type);
  }
  mdx_norm norm() {
    mdx_norm norm{};
    norm.kind = whole();
    norm.groups = whole();
    norm.activation = whole();
    norm.epsilon = number();
    norm.weight = maybe_parameter();
    norm.bias = maybe_parameter();
    return norm;
  }
  float* out() const { return static_cast<float*>(arrays_[count_ - 1]); }

  // A negative axis counts from the last.
  int64_t size(int i, int axis) const { return shapes_[i][axis < 0 ? ranks_[i] + axis : axis]; }
  // Of axes `first` to before `last`.
  int64_t product(int i, int first, int last) const {
    int64_t found = 1;
    for (int axis = first; axis < last; axis++) found *= shapes_[i][axis];
    return found;
  }
  int64_t size(int i) const { return product(i, 0, ranks_[i]); }
  int rank(int i) const { return ranks_[i]; }
  int last() const { return count_ - 1; }

  // Maps (B, C, ...) or rows (..., T, C).
  void read(int i, int32_t layout, int64_t* batch, int64_t* places, int64_t* channels) const {
    const int rank = ranks_[i];
    if (rank < 2) throw std::invalid_argument("an array has fewer than two axes");
    const bool rows = layout == MDX_ROWS;
    *channels = rows ? size(i, -1) : size(i, 1);
    *places = rows ? size(i, -2) : product(i, 2, rank);
    *batch = rows ? product(i, 0, rank - 2) : size(i, 0);
  }

 private:
  int count_, array_ = 1;
  int64_t option_ = 0;
  void** arrays_;
  int* ranks_;
  int64_t** shapes_;
  const char** types_;
};

void agree(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

int linear(Inputs& in) {
  mdx_linear_call call{};
  call.x_layout = in.whole();
  call.out_layout = in.whole();
  call.activation = in.whole();
  call.gate = in.whole();
  call.bfloat16 = in.whole();
  const int x = in.next(), weight = in.next();
  in.read(x, call.x_layout, &call.batch, &call.places, &call.inputs);
  int64_t batch, places;
  in.read(in.last(), call.out_layout, &batch, &places, &call.outputs);
  const int64_t rows = call.outputs * (call.gate ? 2 : 1);
  agree(in.size(weight) == rows * call.inputs, "weight and x, or weight and out, do not agree");
  agree(batch * places == call.batch * call.places, "out and x do not agree");
  call.x = in.floats(x);
  call.weight = in.parameter(weight);
  call.bias = in.maybe_parameter();
  call.residual = in.maybe_floats();
  call.norm = in.norm();
  call.out = in.out();
  return mdx_linear(&call);
}

int convolution(Inputs& in) {
  mdx_convolution_call call{};
  call.stride = in.whole();
  call.top = in.whole();
  call.left = in.whole();
  call.bottom = in.whole();
  call.right = in.whole();
  call.enlarged_height = in.whole();
  call.enlarged_width = in.whole();
  call.method = in.whole();
  const int x = in.next(), weight = in.next();
  agree(in.rank(x) == 4 && in.rank(weight) == 4, "x and weight have four axes");
  agree(in.size(x, 1) == in.size(weight, 1), "x and weight do not agree in their channels");
  call.batch = in.size(x, 0);
  call.inputs = in.size(x, 1);
  call.height = in.size(x, 2);
  call.width = in.size(x, 3);
  call.outputs = in.size(weight, 0);
  call.kernel_height = static_cast<int32_t>(in.size(weight, 2));
  call.kernel_width = static_cast<int32_t>(in.size(weight, 3));
  call.x = in.floats(x);
  call.weight = in.parameter(weight);
  call.bias = in.maybe_parameter();
  call.shift = in.maybe_floats();
  call.residual = in.maybe_floats();
  call.norm = in.norm();
  call.out = in.out();
  return mdx_convolution(&call);
}

int attention(Inputs& in) {
  mdx_attention_call call{};
  call.heads = in.whole();
  call.key_heads = in.whole();
  call.q_layout = in.whole();
  call.k_layout = in.whole();
  call.v_layout = in.whole();
  call.out_layout = in.whole();
  call.causal = in.whole();
  call.bfloat16 = in.whole();
  call.scale = in.number();
  agree(call.heads >= 1 && call.key_heads >= 1, "heads and key_heads are at least 1");
  const int q = in.next(), k = in.next(), v = in.next();
  int64_t batch, keys, channels;
  in.read(q, call.q_layout, &call.batch, &call.queries, &channels);
  call.size = channels / call.heads;
  in.read(k, call.k_layout, &batch, &call.keys, &channels);
  agree(batch == call.batch && channels == call.size * call.key_heads, "q and k do not agree");
  in.read(v, call.v_layout, &batch, &keys, &channels);
  agree(batch == call.batch && keys == call.keys, "k and v do not agree");
  call.value_size = channels / call.key_heads;
  call.q = in.floats(q);
  call.k = in.floats(k);
  call.v = in.floats(v);
  call.mask = in.maybe_floats();
  call.out = in.out();
  return mdx_attention(&call);
}

int normalise(Inputs& in) {
  mdx_norm_call call{};
  call.layout = in.whole();
  const int x = in.next();
  in.read(x, call.layout, &call.batch, &call.places, &call.channels);
  call.x = in.floats(x);
  call.norm = in.norm();
  call.out = in.out();
  return mdx_normalise(&call);
}

int activate(Inputs& in) {
  mdx_activation_call call{};
  call.layout = in.whole();
  call.activation = in.whole();
  call.gate = in.whole();
  call.x = in.next_floats();
  in.read(in.last(), call.layout, &call.batch, &call.places, &call.channels);
  call.out = in.out();
  return mdx_activate(&call);
}

int rotate(Inputs& in) {
  mdx_rotary_call call{};
  call.layout = in.whole();
  call.heads = in.whole();
  call.interleaved = in.whole();
  agree(call.heads >= 1, "heads is at least 1");
  const int x = in.next(), cos = in.next(), sin = in.next();
  int64_t channels;
  in.read(x, call.layout, &call.batch, &call.places, &channels);
  call.size = channels / call.heads;
  call.turned = 2 * in.size(cos, -1);
  agree(in.size(cos) == call.places * call.turned / 2, "cos and x do not agree");
  agree(in.size(sin) == in.size(cos), "cos and sin do not agree");
  call.x = in.floats(x);
  call.cos = in.floats(cos);
  call.sin = in.floats(sin);
  call.out = in.out();
  return mdx_rotate(&call);
}

int run(const char* name, int (*operation)(Inputs&), Inputs inputs) {
  std::string why;
  try {
    if (operation(inputs) == 0) return 0;
    why = mdx_error();
  } catch (const std::exception& error) {
    why = error.what();
  }
  // MindSpore reports only that the operator failed.
  std::fprintf(stderr, "mdx: the native operator %s failed: %s\n", name, why.c_str());
  return 1;
}

}  // namespace
}  // namespace mdx

#define MDX_GRAPH_OPERATOR(Name, operation)                                                     \
  extern "C" __attribute__((visibility("default"))) int Name(                                  \
      int count, void** arrays, int* ranks, int64_t** shapes, const char** types, void*, void*) { \
    return mdx::run(#Name, mdx::operation, {count, arrays, ranks, shapes, types});             \
  }

MDX_GRAPH_OPERATOR(Linear, linear)
MDX_GRAPH_OPERATOR(Convolution, convolution)
MDX_GRAPH_OPERATOR(Attention, attention)
MDX_GRAPH_OPERATOR(Norm, normalise)
MDX_GRAPH_OPERATOR(Activation, activate)
MDX_GRAPH_OPERATOR(Rotary, rotate)

/* The library's interface: plain C, no state but the number of threads.

   Arrays are dense. Maps are (batch, channels, places), rows are (batch, places, channels); the
   places of a map are its pixels, those of rows their tokens. What is not there is NULL. Every
   operator returns 0, or says in mdx_error() why not. Results do not depend on the threads. */
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nothing else of the library is seen from outside. */
#pragma GCC visibility push(default)

enum { MDX_FLOAT32 = 0, MDX_FLOAT16 = 1, MDX_BFLOAT16 = 2 };
enum { MDX_MAPS = 0, MDX_ROWS = 1 };
enum { MDX_NO_NORM = 0, MDX_GROUP_NORM = 1, MDX_LAYER_NORM = 2, MDX_RMS_NORM = 3 };
enum { MDX_IDENTITY = 0, MDX_SILU = 1, MDX_GELU = 2, MDX_GELU_TANH = 3, MDX_GELU_QUICK = 4 };
enum { MDX_NO_GATE = 0, MDX_GATE_LAST = 1, MDX_GATE_FIRST = 2 };
enum { MDX_AUTOMATIC = 0, MDX_DIRECT = 1, MDX_WINOGRAD = 2 };

/* A parameter in the type in which it lies in its file. */
typedef struct {
  const void* data; /* or NULL */
  int32_t type;
} mdx_parameter;

/* Over what x is normalised, before an operator reads it: weight (C) and bias (C) may be absent. */
typedef struct {
  int32_t kind;
  int32_t groups;     /* of a group norm */
  int32_t activation; /* that follows: MDX_IDENTITY or MDX_SILU */
  float epsilon;
  mdx_parameter weight, bias;
} mdx_norm;

/* out = activation(W norm(x) + bias) + residual; where gated, W has twice the outputs and
   out = (W_value norm(x) + bias_value) * activation(W_gate norm(x) + bias_gate) + residual. */
typedef struct {
  int64_t batch, places, inputs, outputs; /* outputs: after gating */
  int32_t x_layout, out_layout;
  int32_t activation, gate;
  int32_t bfloat16;       /* products of bfloat16 numbers, where the processor has them */
  const float* x;         /* (batch, inputs, places) in its layout */
  mdx_parameter weight;   /* (outputs, inputs), or (2 outputs, inputs) */
  mdx_parameter bias;     /* (outputs), or (2 outputs) */
  const float* residual;  /* as out */
  mdx_norm norm;
  float* out; /* (batch, outputs, places) in its layout */
} mdx_linear_call;

/* out = kernel * pad(enlarge(norm(x))) + bias + shift of each picture + residual. */
typedef struct {
  int64_t batch, inputs, outputs, height, width; /* of x */
  int64_t enlarged_height, enlarged_width;       /* to which nearest pixels fill it; 0: as it is */
  int32_t kernel_height, kernel_width, stride;
  int32_t top, left, bottom, right; /* zeros around it */
  int32_t method;
  const float* x;
  mdx_parameter weight;  /* (outputs, inputs, kernel_height, kernel_width) */
  mdx_parameter bias;    /* (outputs) */
  const float* shift;    /* (batch, outputs): the embedding of the time, say */
  const float* residual; /* as out */
  mdx_norm norm;         /* none, or of groups */
  float* out;
} mdx_convolution_call;

/* out = softmax(scale q k) v, for each head; queries that see no key get zeros. */
typedef struct {
  int64_t batch, heads, key_heads; /* each of key_heads is read by as many heads in turn */
  int64_t queries, keys, size, value_size;
  int32_t q_layout, k_layout, v_layout, out_layout;
  int32_t causal;   /* query t sees keys 0 to t */
  int32_t bfloat16; /* as of mdx_linear_call */
  float scale;
  const float *q, *k, *v; /* heads * size channels, key_heads * size, key_heads * value_size */
  const float* mask;      /* (batch, keys): 0 where a key is hidden from all */
  float* out;             /* heads * value_size channels */
} mdx_attention_call;

typedef struct {
  int64_t batch, places, channels;
  int32_t layout;
  const float* x;
  mdx_norm norm;
  float* out;
} mdx_norm_call;

/* out = activation(x), or value * activation(gate) of the halves of x's channels. */
typedef struct {
  int64_t batch, places, channels; /* channels: of out */
  int32_t layout, activation, gate;
  const float* x;
  float* out;
} mdx_activation_call;

/* Pairs of channels of each head are turned by the angles of their place. */
typedef struct {
  int64_t batch, places, heads, size, turned; /* turned: channels that turn, even, the first ones */
  int32_t layout;
  int32_t interleaved;      /* pairs (2i, 2i+1), else (i, i + turned / 2) */
  const float *x, *cos, *sin; /* cos and sin (places, turned / 2) */
  float* out;
} mdx_rotary_call;

int mdx_linear(const mdx_linear_call*);
int mdx_convolution(const mdx_convolution_call*);
int mdx_attention(const mdx_attention_call*);
int mdx_normalise(const mdx_norm_call*);
int mdx_activate(const mdx_activation_call*);
int mdx_rotate(const mdx_rotary_call*);

const char* mdx_error(void);       /* of this thread's last failure */
const char* mdx_class(void);       /* the processors that this build is for */
int mdx_threads(void);
int mdx_set_threads(int);          /* 1 or more; 0 where refused with 1 */
int64_t mdx_memory(void);          /* bytes that operators keep between calls */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

// Linear layers: on maps the lanes are places, on rows they are outputs, so that nothing that is
// stored is transposed; what is read is transposed while it is packed, where need be.
#include "norms.hpp"
#include "operators.hpp"
#include "results.hpp"
#include "tile.hpp"

namespace mdx {

void linear(const mdx_linear_call& call) {
  const bool gated = call.gate != MDX_NO_GATE, rows_in = call.x_layout == MDX_ROWS;
  const long halves = gated ? 2 : 1, outputs = call.outputs, inputs = call.inputs;
  require_sizes({call.batch, call.places, inputs, outputs});
  require_norm(call.norm, inputs, call.x_layout);
  const float* x = call.x;
  MapNorm norm;
  if (!rows_in) {
    norm = map_norm(call.norm, x, call.batch, inputs, call.places);
  } else if (call.norm.kind != MDX_NO_NORM || call.norm.activation != MDX_IDENTITY) {
    // Rows are packed once for each block of outputs: they are better normalised beforehand.
    float* normal = shared_memory(Shared::tiles, call.batch * call.places * inputs);
    normalise_rows(call.norm, x, call.batch * call.places, inputs, normal);
    x = normal;
  }
  float* bias = nullptr;
  if (call.bias.data != nullptr) {
    bias = shared_memory(Shared::weights, halves * outputs);
    widen(call.bias, halves * outputs, 0.0f, bias);
  }
  const bool rows_out = call.out_layout == MDX_ROWS;
  const long picture = rows_out && rows_in ? 0 : call.places * inputs;
  Matrix weight({call.weight.data, call.weight.type}, inputs);
  Matrix tokens({x, MDX_FLOAT32}, inputs, picture);
  Maps maps(x, inputs, call.places, picture);
  maps.norm = norm;
  const Operand& read = rows_in ? static_cast<const Operand&>(tokens) : maps;
  Results results(call.out, outputs * call.places, rows_out ? outputs : call.places);
  results.residual = call.residual;
  results.activation = call.activation;
  (rows_out ? results.column_bias : results.row_bias) = bias;
  const long first = call.gate == MDX_GATE_FIRST ? outputs : 0;
  const long second = gated ? outputs - first : 0;
  results.value_bias = first;
  results.gate_bias = second;
  const bool pairs = HAS_PAIRS && call.bfloat16 != 0;
  if (!rows_out) {
    const Gates gates = gated ? Gates::rows : Gates::none;
    multiply({weight, read, results, outputs, call.batch, call.places, inputs, pairs, gates, first,
              second});
    return;
  }
  const Gates gates = gated ? Gates::columns : Gates::none;
  if (rows_in) {
    multiply({read, weight, results, call.batch * call.places, 1, outputs, inputs, pairs, gates,
              first, second});
    return;
  }
  // The rows of a product are of one picture, so each has its own.
  for (long b = 0; b < call.batch; b++) {
    Maps one = maps;
    one.x += b * picture;
    const long at = b * call.places;
    if (norm.of_channels()) {
      one.norm.mean += b * inputs, one.norm.scale += b * inputs, one.norm.bias += b * inputs;
    }
    if (norm.of_places()) one.norm.mean += at, one.norm.rest += at, one.norm.inverse += at;
    Results each = results;
    each.out += at * outputs;
    if (each.residual != nullptr) each.residual += at * outputs;
    multiply({one, weight, each, call.places, 1, outputs, inputs, pairs, gates, first, second});
  }
}

}  // namespace mdx

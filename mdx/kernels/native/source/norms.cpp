#include "norms.hpp"

#include <algorithm>
#include <cmath>

#include "memory.hpp"
#include "pool.hpp"

namespace mdx {
namespace {

constexpr long BATCH = 4096;  // numbers summed in float32 before float64 takes their sum

// The sum of (x - centre)^power over `count` numbers, power 1 or 2.
template <int POWER>
double sum_of(const float* x, long count, float centre) {
  double sum = 0;
  const Vector middle = splat(centre);
  for (long begin = 0; begin < count; begin += BATCH) {
    const long end = std::min(count, begin + BATCH);
    Vector sums[4] = {zeros(), zeros(), zeros(), zeros()};
    long i = begin;
    for (; i + 4 * LANES <= end; i += 4 * LANES) {
      for (int k = 0; k < 4; k++) {
        const Vector v = load(x + i + k * LANES) - middle;
        sums[k] = POWER == 1 ? sums[k] + v : v * v + sums[k];
      }
    }
    for (; i < end; i += LANES) {
      const int lanes = static_cast<int>(std::min<long>(LANES, end - i));
      // Lanes past the end hold the centre, which adds nothing.
      alignas(64) float numbers[LANES];
      store(numbers, middle);
      store_part(numbers, lanes, load_part(x + i, lanes));
      const Vector v = load(numbers) - middle;
      sums[0] = POWER == 1 ? sums[0] + v : v * v + sums[0];
    }
    sum += total((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
  return sum;
}

struct Moments {
  float mean, rest, inverse;  // the mean is the sum of two
};

// Of `count` numbers; rms has no mean.
Moments moments(const float* x, long count, float epsilon, bool rms) {
  const double n = static_cast<double>(count);
  const float near = rms ? 0.0f : static_cast<float>(sum_of<1>(x, count, 0.0f) / n);
  const double missed = rms ? 0.0 : sum_of<1>(x, count, near) / n;
  const double variance = sum_of<2>(x, count, near) / n - missed * missed;
  return {near, static_cast<float>(missed),
          static_cast<float>(1.0 / std::sqrt(std::max(variance, 0.0) + epsilon))};
}

void group_moments(const mdx_norm& norm, const float* x, long batch, long channels, long places,
                   float* mean, float* scale, float* bias) {
  const long groups = norm.groups, each = channels / groups;
  in_parallel(batch * groups, [&](long index) {
    const long picture = index / groups, first = index % groups * each;
    const float* from = x + (picture * channels + first) * places;
    const Moments m = moments(from, each * places, norm.epsilon, false);
    for (long c = first; c < first + each; c++) {
      const long map = picture * channels + c;
      mean[map] = m.mean;
      // Weight and bias lie here already.
      scale[map] *= m.inverse;
      bias[map] -= m.rest * scale[map];
    }
  });
}

// Mean and inverse deviation of each place over its channels, COLUMNS places at a time.
void place_moments(const mdx_norm& norm, const float* x, long batch, long channels, long places,
                   float* means, float* rests, float* inverses) {
  const bool rms = norm.kind == MDX_RMS_NORM;
  const long panels = (places + COLUMNS - 1) / COLUMNS;
  in_parallel(batch * panels, [&](long index) {
    const long picture = index / panels, first = index % panels * COLUMNS;
    const int count = static_cast<int>(std::min<long>(COLUMNS, places - first));
    for (int part = 0; part < 2; part++) {
      const int lanes = lanes_of(count, part);
      if (lanes == 0) break;
      const float* from = x + picture * channels * places + first + part * LANES;
      const Vector share = splat(1.0f / static_cast<float>(channels));
      Vector mean = zeros();
      if (!rms) {
        Vector sums[2] = {zeros(), zeros()};
        for (long c = 0; c < channels; c++) {
          sums[c & 1] = sums[c & 1] + load_part(from + c * places, lanes);
        }
        mean = (sums[0] + sums[1]) * share;
      }
      Vector squares[2] = {zeros(), zeros()}, sums[2] = {zeros(), zeros()};
      for (long c = 0; c < channels; c++) {
        const Vector v = load_part(from + c * places, lanes) - mean;
        squares[c & 1] = v * v + squares[c & 1];
        sums[c & 1] = sums[c & 1] + v;
      }
      const Vector missed = rms ? zeros() : (sums[0] + sums[1]) * share;
      const Vector variance = (squares[0] + squares[1]) * share - missed * missed;
      const long at = picture * places + first + part * LANES;
      store_part(means + at, lanes, mean);
      store_part(rests + at, lanes, missed);
      const Vector bounded = larger(zeros(), variance) + splat(norm.epsilon);
      store_part(inverses + at, lanes, splat(1.0f) / root(bounded));
    }
  });
}

}  // namespace

MapNorm map_norm(const mdx_norm& norm, const float* x, long batch, long channels, long places) {
  MapNorm found;
  found.silu = norm.activation == MDX_SILU;
  if (norm.kind == MDX_GROUP_NORM) {
    const long maps = batch * channels;
    float* mean = shared_memory(Shared::norm, 3 * maps);
    float *scale = mean + maps, *bias = scale + maps;
    for (long b = 0; b < batch; b++) {
      widen(norm.weight, channels, 1.0f, scale + b * channels);
      widen(norm.bias, channels, 0.0f, bias + b * channels);
    }
    group_moments(norm, x, batch, channels, places, mean, scale, bias);
    found.mean = mean;
    found.scale = scale;
    found.bias = bias;
  } else if (norm.kind != MDX_NO_NORM) {
    const long all = batch * places;
    float* weight = shared_memory(Shared::norm, 2 * channels + 3 * all);
    float *bias = weight + channels, *mean = bias + channels, *rest = mean + all;
    float* inverse = rest + all;
    widen(norm.weight, channels, 1.0f, weight);
    widen(norm.bias, channels, 0.0f, bias);
    place_moments(norm, x, batch, channels, places, mean, rest, inverse);
    found.weight = weight;
    found.bias = bias;
    found.mean = mean;
    found.rest = rest;
    found.inverse = inverse;
  }
  return found;
}

void normalise_rows(const mdx_norm& norm, const float* x, long count, long channels, float* out) {
  float* weight = shared_memory(Shared::norm, 2 * channels);
  float* bias = weight + channels;
  widen(norm.weight, channels, 1.0f, weight);
  widen(norm.bias, channels, 0.0f, bias);
  const bool none = norm.kind == MDX_NO_NORM, silu_after = norm.activation == MDX_SILU;
  const long some = std::max(1L, BATCH / std::max(1L, channels));  // rows for a thread at a time
  in_parallel((count + some - 1) / some, [&](long index) {
    for (long r = index * some; r < std::min(count, (index + 1) * some); r++) {
      const float* from = x + r * channels;
      const Moments m = none ? Moments{0.0f, 0.0f, 1.0f}
                             : moments(from, channels, norm.epsilon, norm.kind == MDX_RMS_NORM);
      for (long c = 0; c < channels; c += LANES) {
        const int lanes = static_cast<int>(std::min<long>(LANES, channels - c));
        const Vector centred = load_part(from + c, lanes) - splat(m.mean);
        Vector v = (centred - splat(m.rest)) * splat(m.inverse);
        if (!none) v = v * load_part(weight + c, lanes) + load_part(bias + c, lanes);
        store_part(out + r * channels + c, lanes, silu_after ? silu(v) : v);
      }
    }
  });
}

void normalise_maps(const mdx_norm& norm, const float* x, long batch, long channels, long places,
                    float* out) {
  const MapNorm found = map_norm(norm, x, batch, channels, places);
  in_parallel(batch * channels, [&](long index) {
    const long picture = index / channels, c = index % channels;
    for (long place = 0; place < places; place += LANES) {
      const int lanes = static_cast<int>(std::min<long>(LANES, places - place));
      Vector v = load_part(x + index * places + place, lanes);
      if (found.of_channels()) {
        v = (v - splat(found.mean[index])) * splat(found.scale[index]) + splat(found.bias[index]);
      } else if (found.of_places()) {
        const long at = picture * places + place;
        v = v - load_part(found.mean + at, lanes) - load_part(found.rest + at, lanes);
        v = v * load_part(found.inverse + at, lanes);
        v = v * splat(found.weight[c]) + splat(found.bias[c]);
      }
      store_part(out + index * places + place, lanes, found.silu ? silu(v) : v);
    }
  });
}

}  // namespace mdx

// The gate of an MLP: out = activation(gate) * up.

// Included once per instruction set, inside its namespace.

// Which activation, and the parameters of those that have some.
struct Gate {
  int32_t activation;
  float swiglu_alpha, swiglu_limit;
};

INLINE f32x16 sigmoid(f32x16 x) { return reciprocal(splat(1.0f) + exp(min(-x, splat(80.0f)))); }

template <Activation activation>
INLINE f32x16 gated(const Gate &gate, f32x16 g, f32x16 u) {
  if constexpr (activation == SILU) {
    return g * sigmoid(g) * u;
  } else if constexpr (activation == GELU_TANH) {
    f32x16 inner = splat(0.7978845608028654f) * fma(g * g * g, splat(0.044715f), g);
    return g * sigmoid(inner + inner) * u;  // 0.5 * (1 + tanh(z)) = sigmoid(2 z)
  } else if constexpr (activation == GELU) {
    float lanes[16];
    store(lanes, g);
    for (int i = 0; i < 16; i++) lanes[i] = 0.5f * lanes[i] * (1.0f + erff(lanes[i] * 0.7071067811865476f));
    return load(lanes) * u;
  } else if constexpr (activation == RELU) {
    return max(g, splat(0.0f)) * u;
  } else {
    f32x16 limit = splat(gate.swiglu_limit);
    g = min(g, limit);
    u = min(max(u, -limit), limit);
    return g * sigmoid(splat(gate.swiglu_alpha) * g) * (u + splat(1.0f));
  }
}

// out[i] = activation(gate[i]) * up[i] for `size` values. In place of either is allowed.
template <Activation activation>
static void activate_as(const Gate &kind, const float *gate, const float *up, int64_t size, float *out) {
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) store(out + i, gated<activation>(kind, load(gate + i), load(up + i)));
  if (i == size) return;
  float both[16];
  store(both, gated<activation>(kind, load_block(gate, i, size), load_block(up, i, size)));
  for (int64_t j = i; j < size; j++) out[j] = both[j - i];
}

static void activate(const Gate &kind, const float *gate, const float *up, int64_t size, float *out) {
  switch (kind.activation) {
    case SILU:
      return activate_as<SILU>(kind, gate, up, size, out);
    case GELU_TANH:
      return activate_as<GELU_TANH>(kind, gate, up, size, out);
    case GELU:
      return activate_as<GELU>(kind, gate, up, size, out);
    case RELU:
      return activate_as<RELU>(kind, gate, up, size, out);
    default:
      return activate_as<CLAMPED_SWIGLU>(kind, gate, up, size, out);
  }
}

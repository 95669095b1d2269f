// The forward of a decoder: every family of ModelConfig, all layers in one parallel region.
//
// Threads divide each stage among themselves (outputs of a product, rows, or pairs of sequence and head) and meet at
// a barrier. A row is computed in the same way whatever the other rows are. The stream between layers is float32.

// Included once per instruction set, inside its namespace.

static int64_t padded(int64_t size, int64_t to) { return (size + to - 1) / to * to; }

// Takes pieces of a buffer, one after the other. Without a buffer it only counts.
struct Arena {
  uint8_t *base;
  int64_t used = 0;

  template <class T>
  T *take(int64_t count) {
    uint8_t *piece = base ? base + used : nullptr;
    used += padded(count * (int64_t)sizeof(T), 64);
    return reinterpret_cast<T *>(piece);
  }
  Rows rows(int64_t count, int64_t k) {
    k = padded(k, 32);
    return {count, k, take<float>(count * k), take<uint16_t>(count * k), take<int8_t>(count * k), take<float>(count),
            take<int32_t>(count * k / 32), take<int32_t>(count)};
  }
};

struct Buffers {
  int64_t x_width, qkv_width, gate_up_width, attended_width;
  float *x, *y, *qkv, *gate_up, *attended, *router, *expert_weights;
  int64_t *positions, *query_starts;  // of the rows that are left in the last layer
  uint8_t *queries;
  int32_t *chosen, *members, *member_counts;
  Rows hidden, attention, inner, gathered;

  Buffers(const Decoder &d, int64_t tokens, Arena &arena) {
    KvLayout at(d.num_layers, d.kv_heads, d.head_dim, d.block_size);
    int64_t widest = most(d.intermediate, d.expert_size);
    x_width = padded(d.hidden, 32);
    qkv_width = padded((d.heads + 2 * d.kv_heads) * d.head_dim, 32);
    gate_up_width = padded(2 * widest, 32);
    attended_width = d.heads * at.width;
    x = arena.take<float>(tokens * x_width);
    y = arena.take<float>(tokens * x_width);
    qkv = arena.take<float>(tokens * qkv_width);
    gate_up = arena.take<float>(tokens * gate_up_width);
    attended = arena.take<float>(tokens * attended_width);
    queries = arena.take<uint8_t>(tokens * attended_width * (d.is_kv_f32 ? 4 : 2));
    positions = arena.take<int64_t>(tokens);
    query_starts = arena.take<int64_t>(tokens + 1);
    hidden = arena.rows(tokens, d.hidden);
    attention = arena.rows(tokens, d.heads * d.head_dim);
    inner = arena.rows(tokens, widest);
    if (d.num_experts) {
      gathered = arena.rows(tokens, d.hidden);
      router = arena.take<float>(tokens * padded(d.num_experts, 16));
      expert_weights = arena.take<float>(tokens * d.experts_per_token);
      chosen = arena.take<int32_t>(tokens * d.experts_per_token);
      members = arena.take<int32_t>(d.num_experts * tokens);
      member_counts = arena.take<int32_t>(d.num_experts);
    }
  }
};

// Where all threads of a region wait for the last of them. Between two stages that is a microsecond, so they spin; a
// thread that waits for longer waits for one that lost its core, and lets others have its own.
struct Barrier {
  int32_t arrived = 0, round = 0;

  void meet() {
    const int32_t mine = __atomic_load_n(&round, __ATOMIC_ACQUIRE);
    if (__atomic_add_fetch(&arrived, 1, __ATOMIC_ACQ_REL) == omp_get_num_threads()) {
      arrived = 0;
      __atomic_store_n(&round, mine + 1, __ATOMIC_RELEASE);
      return;
    }
    for (int spins = 0; __atomic_load_n(&round, __ATOMIC_ACQUIRE) == mine; spins++) {
      if (spins < MAX_SPINS)
        pause();
      else
        sched_yield();
    }
  }

  static void pause() {
#if defined(__x86_64__)
    _mm_pause();
#endif
  }

 private:
  static constexpr int MAX_SPINS = 60000;  // about a millisecond: giving up the core costs a turn of everyone else's
};

struct Range {
  int64_t begin, end;
};

// This thread's share of `count` things, in units of `unit`.
static Range share(int64_t count, int64_t unit = 1) {
  int64_t units = (count + unit - 1) / unit, id = omp_get_thread_num(), threads = omp_get_num_threads();
  return {least(count, units * id / threads * unit), least(count, units * (id + 1) / threads * unit)};
}

// out = norm(x) * weight over `size` values (padded with zeros to a multiple of 16). In place is allowed.
static void rms_norm(const float *x, const float *weight, int64_t size, float eps, float *out) {
  f32x16 sums[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)};
  int64_t i = 0, width = padded(size, 16);
  for (; i + 64 <= width; i += 64)
    for (int j = 0; j < 4; j++) sums[j] = fma(load(x + i + 16 * j), load(x + i + 16 * j), sums[j]);
  for (; i < width; i += 16) sums[0] = fma(load(x + i), load(x + i), sums[0]);
  float mean = sum((sums[0] + sums[1]) + (sums[2] + sums[3])) / (float)size;
  f32x16 scale = splat(1.0f / sqrtf(mean + eps));
  for (i = 0; i + 16 <= size; i += 16) store(out + i, load(x + i) * scale * load(weight + i));
  for (float factor = first_lane(scale); i < size; i++) out[i] = x[i] * factor * weight[i];
}

// Rotate one head in place: coordinates i and i + size / 2 are a plane.
static void rotate(float *head, const float *cosine, const float *sine, int64_t size) {
  int64_t half = size / 2, i = 0;
  for (; i + 16 <= half; i += 16) {
    f32x16 a = load(head + i), b = load(head + half + i), c = load(cosine + i), s = load(sine + i);
    store(head + i, fma(a, c, -(b * s)));
    store(head + half + i, fma(b, c, a * s));
  }
  for (; i < half; i++) {
    float a = head[i], b = head[half + i];
    head[i] = a * cosine[i] - b * sine[i];
    head[half + i] = b * cosine[i] + a * sine[i];
  }
}

struct Forward {
  const Decoder &d;
  Step s;  // its rows become fewer in the last layer
  KvLayout at;
  Buffers b;
  Gate gate;
  int64_t next_item = 0;  // of those that threads take as they come
  Barrier barrier;

  Forward(const Decoder &decoder, const Step &step, Arena arena)
      : d(decoder),
        s(step),
        at(decoder.num_layers, decoder.kv_heads, decoder.head_dim, decoder.block_size),
        b(decoder, step.num_tokens, arena),
        gate{decoder.activation, decoder.swiglu_alpha, decoder.swiglu_limit} {}

  int64_t tokens() const { return s.num_tokens; }

  int64_t take_item() { return __atomic_fetch_add(&next_item, 1, __ATOMIC_RELAXED); }

  void meet() { barrier.meet(); }

  // This thread's outputs of a product.
  static void multiply(const Weight &weight, const Rows &rows, float *out, int64_t width, bool accumulate) {
    Range mine = share(weight.n, 16);
    if (mine.begin < mine.end) matmul(weight, rows, mine.begin, mine.end, out, width, accumulate);
  }

  void embed() {
    Range mine = share(tokens());
    for (int64_t t = mine.begin; t < mine.end; t++) {
      float *x = b.x + t * b.x_width;
      embed_row(d.embedding, s.tokens[t], x);
      if (d.embedding_scale != 1.0f)
        for (int64_t i = 0; i < d.hidden; i += 16) store(x + i, load(x + i) * splat(d.embedding_scale));
    }
  }

  // The stream, normed, as the product with `consumer` reads it.
  void norm_rows(const float *weight, const Weight &consumer) {
    Range mine = share(tokens());
    for (int64_t t = mine.begin; t < mine.end; t++) {
      float *y = b.y + t * b.x_width;
      rms_norm(b.x + t * b.x_width, weight, d.hidden, d.norm_eps, y);
      prepare_row(consumer, y, d.hidden, b.hidden, t);
    }
  }

  // x += norm(y), for Gemma's norms behind attention and MLP.
  void add_normed(const float *weight) {
    Range mine = share(tokens());
    for (int64_t t = mine.begin; t < mine.end; t++) {
      float *x = b.x + t * b.x_width, *y = b.y + t * b.x_width;
      rms_norm(y, weight, d.hidden, d.norm_eps, y);
      for (int64_t i = 0; i < d.hidden; i += 16) store(x + i, load(x + i) + load(y + i));
    }
  }

  // What leaves a sublayer: straight into the stream, or beside it where a norm follows.
  void project_out(const Weight &weight, const Rows &rows, const float *post_norm) {
    multiply(weight, rows, post_norm ? b.y : b.x, b.x_width, !post_norm);
    meet();
    if (post_norm) {
      add_normed(post_norm);
      meet();
    }
  }

  // A head with zeros behind it, up to the width of its slot: itself, or a copy.
  const float *padded_head(const float *from, float *room) const {
    if (d.head_dim == at.width) return from;
    __builtin_memset(room, 0, at.width * sizeof(float));
    return (const float *)__builtin_memcpy(room, from, d.head_dim * sizeof(float));
  }

  template <class Kv>
  void put_head(const float *from, typename Kv::Element *to) const {
    for (int64_t i = 0; i < at.width; i += 16) Kv::put(to + i, load(from + i));
  }

  // A head of q or k: normed and rotated, into a zero-padded buffer.
  void shape_head(const float *from, const float *norm, const Layer &layer, int64_t position, float *to) const {
    from = padded_head(from, to);
    if (norm)
      rms_norm(from, norm, d.head_dim, d.norm_eps, to);
    else if (from != to)
      __builtin_memcpy(to, from, at.width * sizeof(float));
    if (layer.rope >= 0) {
      int64_t row = position * (d.head_dim / 2);
      rotate(to, s.rope_cos[layer.rope] + row, s.rope_sin[layer.rope] + row, d.head_dim);
    }
  }

  template <class Kv>
  void write_heads(const Layer &layer, int64_t index) {
    using Element = typename Kv::Element;
    alignas(64) float head[MAX_HEAD];
    alignas(64) Element key[MAX_HEAD], value[MAX_HEAD];
    int64_t group = d.heads / d.kv_heads;
    Range mine = share(tokens() * d.kv_heads);
    for (int64_t item = mine.begin; item < mine.end; item++) {
      int64_t t = item / d.kv_heads, h = item % d.kv_heads, position = s.positions[t];
      const float *row = b.qkv + t * b.qkv_width, *keys = row + d.heads * d.head_dim;
      auto *queries = reinterpret_cast<Element *>(b.queries) + t * b.attended_width;
      for (int64_t q = h * group; q < (h + 1) * group; q++) {
        shape_head(row + q * d.head_dim, layer.q_norm, layer, position, head);
        put_head<Kv>(head, queries + q * at.width);
      }
      shape_head(keys + h * d.head_dim, layer.k_norm, layer, position, head);
      put_head<Kv>(head, key);
      put_head<Kv>(padded_head(keys + (d.kv_heads + h) * d.head_dim, head), value);
      write_kv<Kv>(static_cast<Element *>(s.kv), at, index, h, s.slots[t], key, value);
    }
  }

  // Query heads [first, first + count) of `kv_head` for the tokens [begin, end) of a sequence.
  template <class Kv>
  void attend_item(const Layer &layer, int64_t index, int64_t sequence, int64_t kv_head, int64_t first, int64_t count,
                   int64_t begin, int64_t end) {
    using Element = typename Kv::Element;
    Sequence<Kv> keys{static_cast<const Element *>(s.kv), &at, s.block_tables[sequence], index, kv_head, layer.window,
                      d.attention_scale};
    const Element *queries[MAX_ROWS];
    int64_t positions[MAX_ROWS];
    float sinks[MAX_ROWS], *outs[MAX_ROWS];
    int rows = 0;
    for (int64_t t = begin; t < end; t++)
      for (int64_t h = first; h < first + count; h++, rows++) {
        int64_t place = t * b.attended_width + h * at.width;
        queries[rows] = reinterpret_cast<const Element *>(b.queries) + place;
        outs[rows] = b.attended + place;
        positions[rows] = s.positions[t];
        sinks[rows] = layer.sinks ? layer.sinks[h] : 0.0f;
      }
    attend<Kv>(keys, rows, queries, positions, layer.sinks ? sinks : nullptr, outs);
  }

  // Items are (sequence, kv head, tokens, heads): who takes one after the other finds the same keys in its cache.
  // Threads take them as they come, since they cost different amounts.
  template <class Kv>
  void attend_all(const Layer &layer, int64_t index) {
    int64_t group = d.heads / d.kv_heads, heads = least(group, MAX_ROWS);
    int64_t tokens_each = most(1, MAX_ROWS / group), mine = take_item(), item = 0;
    for (int64_t q = 0; q < s.num_sequences; q++)
      for (int64_t h = 0; h < d.kv_heads; h++)
        for (int64_t begin = s.query_starts[q]; begin < s.query_starts[q + 1]; begin += tokens_each)
          for (int64_t first = 0; first < group; first += heads, item++) {
            if (item != mine) continue;
            attend_item<Kv>(layer, index, q, h, h * group + first, least(heads, group - first), begin,
                            least(begin + tokens_each, s.query_starts[q + 1]));
            mine = take_item();
          }
  }

  // The attended heads of a token, without the padding of each, as the output projection reads them.
  void gather_heads(const Weight &consumer) {
    Range mine = share(tokens());
    for (int64_t t = mine.begin; t < mine.end; t++) {
      float *row = b.attended + t * b.attended_width;
      for (int64_t h = 1; h < d.heads && at.width != d.head_dim; h++)
        __builtin_memmove(row + h * d.head_dim, row + h * at.width, d.head_dim * sizeof(float));
      prepare_row(consumer, row, d.heads * d.head_dim, b.attention, t);
    }
  }

  template <class Kv>
  void attention(const Layer &layer, int64_t index) {
    norm_rows(layer.input_norm, layer.qkv);
    meet();
    multiply(layer.qkv, b.hidden, b.qkv, b.qkv_width, false);
    meet();
    write_heads<Kv>(layer, index);
    next_item = 0;
    meet();
    if (index == d.num_layers - 1 && s.num_wanted < tokens()) keep_wanted<Kv>();
    attend_all<Kv>(layer, index);
    meet();
    gather_heads(layer.o);
    meet();
    project_out(layer.o, b.attention, layer.pre_mlp_norm ? layer.post_attention_norm : nullptr);
  }

  // Of the other rows nothing is needed any more. Moves the wanted ones together, and says of the others whether they
  // are finite.
  template <class Kv>
  void keep_wanted() {
    using Element = typename Kv::Element;
    Range mine = share(tokens());
    for (int64_t t = mine.begin; t < mine.end; t++) {
      const float *kv = b.qkv + t * b.qkv_width + d.heads * d.head_dim;
      float broken = 0.0f, *out = s.out + t * b.x_width;
      for (int64_t i = 0; i < 2 * d.kv_heads * d.head_dim; i++) broken += kv[i] * 0.0f;
      rms_norm(b.x + t * b.x_width, d.norm, d.hidden, d.norm_eps, out);
      out[0] += broken;
    }
    meet();
    move_together(b.x, b.x_width);
    move_together(reinterpret_cast<Element *>(b.queries), b.attended_width);
#pragma omp master
    narrow();
    meet();
  }

  // Each thread moves some columns, row by row: a row never moves down.
  template <class T>
  void move_together(T *rows, int64_t width) const {
    Range mine = share(width, 64);
    for (int64_t i = 0; i < s.num_wanted; i++)
      __builtin_memmove(rows + i * width + mine.begin, rows + s.wanted[i] * width + mine.begin,
                        (mine.end - mine.begin) * sizeof(T));
  }

  // One thread: from now on the step has the wanted rows only.
  void narrow() {
    int64_t row = 0;
    for (int64_t q = 0; q <= s.num_sequences; q++) {
      while (row < s.num_wanted && s.wanted[row] < s.query_starts[q]) row++;
      b.query_starts[q] = row;
    }
    for (int64_t i = 0; i < s.num_wanted; i++) b.positions[i] = s.positions[s.wanted[i]];
    s.query_starts = b.query_starts;
    s.positions = b.positions;
    s.num_tokens = b.hidden.rows = b.attention.rows = s.num_wanted;
  }

  // gate_up[t][0, size) = the gated values of row t, and these as the product with `down` reads them.
  void gate_rows(const Weight &gate_up, const Rows &rows, const Weight &down, int64_t size) {
    Range columns = share(size, 16);
    const bool is_gated = gate_up.n == 2 * size && gated_matmul(gate_up, rows, gate, columns.begin, columns.end,
                                                                b.gate_up, b.gate_up_width);
    if (!is_gated) multiply(gate_up, rows, b.gate_up, b.gate_up_width, false);
    meet();
    Range mine = share(rows.rows);
    Rows inner = shaped(b.inner, rows.rows, down);
    for (int64_t t = mine.begin; t < mine.end; t++) {
      float *row = b.gate_up + t * b.gate_up_width;
      if (!is_gated) activate(gate, row, row + size, size, row);
      prepare_row(down, row, size, inner, t);
    }
    meet();
  }

  // The room of `rows` for `count` rows as wide as the weight reads them, which may be less than they can be.
  static Rows shaped(const Rows &rows, int64_t count, const Weight &weight) {
    Rows some = rows;
    some.rows = count;
    some.k = weight.k;
    return some;
  }

  void mlp(const Layer &layer) {
    norm_rows(layer.pre_mlp_norm ? layer.pre_mlp_norm : layer.post_attention_norm, layer.gate_up);
    meet();
    gate_rows(layer.gate_up, b.hidden, layer.down, d.intermediate);
    project_out(layer.down, shaped(b.inner, tokens(), layer.down), layer.post_mlp_norm);
  }

#include "experts.h"

  template <class Kv>
  void run() {
    embed();
    meet();
    for (int64_t i = 0; i < d.num_layers; i++) {
      const Layer &layer = d.layers[i];
      attention<Kv>(layer, i);
      if (layer.experts)
        mixture(layer);
      else
        mlp(layer);
    }
    Range mine = share(s.num_wanted);
    for (int64_t i = mine.begin; i < mine.end; i++)
      rms_norm(b.x + i * b.x_width, d.norm, d.hidden, d.norm_eps, s.out + s.wanted[i] * b.x_width);
  }
};

static int64_t scratch_bytes(const Decoder *decoder, int64_t num_tokens) {
  Arena arena{nullptr};
  Buffers buffers(*decoder, num_tokens, arena);
  return arena.used;
}

static void forward(const Decoder *decoder, const Step *step) {
  Forward forward(*decoder, *step, Arena{step->scratch});
#pragma omp parallel num_threads((int)step->num_threads)
  {
    if (decoder->is_kv_f32)
      forward.run<Float32>();
    else
      forward.run<Bf16>();
  }
}

// out[rows][head.n]: the logits of normed hidden rows (`width` floats apart, zero padded).
static void logits(const Decoder *model, const float *hidden, int64_t rows, int64_t width, float *out,
                   uint8_t *scratch, int32_t num_threads) {
  const Decoder &decoder = *model;
  Arena arena{scratch};
  Rows prepared = arena.rows(rows, decoder.hidden);
  const float cap = decoder.logit_softcap;
  Barrier barrier;
#pragma omp parallel num_threads(num_threads)
  {
    Range mine = share(rows);
    for (int64_t r = mine.begin; r < mine.end; r++)
      prepare_row(decoder.head, hidden + r * width, decoder.hidden, prepared, r);
    barrier.meet();
    Forward::multiply(decoder.head, prepared, out, decoder.head.n, false);
    if (cap > 0) {
      Range columns = share(decoder.head.n, 16);
      for (int64_t r = 0; r < rows; r++)
        for (int64_t n = columns.begin; n < columns.end; n += 16) {
          float *y = out + r * decoder.head.n + n;
          f32x16 e = exp(load(y) * splat(-2.0f / cap));  // cap * tanh(y / cap)
          store(y, splat(cap) * ((splat(1.0f) - e) / (splat(1.0f) + e)));
        }
    }
  }
}

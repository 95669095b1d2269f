// Attention over paged keys and values, and where they lie.
//
// The keys of 16 tokens are a tile: one vector register holds one coordinate (or a pair of coordinates) of all 16, so
// a query meets 16 keys at once and no sum runs across lanes. The values of the same tokens are a tile whose vectors
// hold 16 coordinates of one token (or of a pair of tokens). Memory: [block][layer][kv head][tile of the block][key
// tile, value tile]. A block of 16 tokens is one tile; a smaller block is a tile that is not full.
//
// Softmax is computed online (Milakov and Gimelshein 2018; Dao et al. 2022) over spans of four tiles, counted from the
// start of the sequence. What a query computes depends on its position and on the keys alone: spans it cannot see
// change nothing, so chunks of any size, and any company, give the same bits.

// Included once per instruction set, inside its namespace; see vec.h.

constexpr int TILE = 16;       // tokens of a tile
constexpr int SPAN = 4;        // tiles of one softmax step
constexpr int MAX_ROWS = 32;   // queries that are attended together
constexpr int MAX_HEAD = 512;  // largest head size
constexpr float LOWEST = -1e30f;
constexpr float LOG2_E = 1.44269504f;

// bfloat16 elements: the two of a pair lie side by side, as the dot product instruction reads them.
struct Bf16 {
  using Element = uint16_t;
  using Two = int32_t;
  INLINE void put(Element *to, f32x16 v) { store_bf16(to, v); }
  INLINE f32x16 get(const Element *from) { return load_bf16(from); }
  INLINE Two two(const Element *p) { return load_as<int32_t>(p); }
  INLINE f32x16 dot(f32x16 acc, const Element *pairs, Two x) { return dot2(acc, load_as<i32x16>(pairs), x); }
  // Two coordinates of a key, into a lane of their vector.
  INLINE void put_two(Element *pairs, int lane, const Element *two) { __builtin_memcpy(pairs + 2 * lane, two, 4); }
  // 16 coordinates of a value, as the even or the odd ones of their vector. The others are another token's, which
  // another thread may be writing now: they are not touched.
  INLINE void put_half(Element *pairs, int parity, const Element *half) {
#if defined(ISA_AVX512)
    const i32x16 fresh = load_u16(half);
    _mm512_mask_storeu_epi16(pairs, parity ? 0xaaaaaaaau : 0x55555555u, (__m512i)(parity ? fresh << 16 : fresh));
#else
    for (int i = 0; i < 16; i++) pairs[2 * i + parity] = half[i];
#endif
  }
};

// float elements: first the 16 even ones, then the 16 odd ones.
struct Float32 {
  using Element = float;
  struct Two {
    float even, odd;
  };
  INLINE void put(Element *to, f32x16 v) { store(to, v); }
  INLINE f32x16 get(const Element *from) { return load(from); }
  INLINE Two two(const Element *p) { return {p[0], p[1]}; }
  INLINE f32x16 dot(f32x16 acc, const Element *pairs, Two x) {
    return fma(load(pairs + 16), splat(x.odd), fma(load(pairs), splat(x.even), acc));
  }
  INLINE void put_two(Element *pairs, int lane, const Element *two) {
    pairs[lane] = two[0];
    pairs[16 + lane] = two[1];
  }
  INLINE void put_half(Element *pairs, int parity, const Element *half) { store(pairs + 16 * parity, load(half)); }
};

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

INLINE float first_lane(f32x16 v) {
  float lanes[16];
  store(lanes, v);
  return lanes[0];
}

// -1 in the lanes [first, last].
INLINE i32x16 lanes_between(int32_t first, int32_t last) {
  alignas(64) static const int32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const i32x16 lane = load(numbers);
  return (lane >= splat(first)) & (lane <= splat(last));
}

struct KvLayout {
  int64_t block_size, tiles;            // tokens of a block, and tiles that hold them
  int64_t width;                        // head size, padded to 16
  int64_t tile_elements, head_elements; // of a key tile; of a kv head in a block
  int64_t layer_elements, block_elements;

  KvLayout(int64_t num_layers, int64_t kv_heads, int64_t head_dim, int64_t block_size_)
      : block_size(block_size_),
        tiles((block_size_ + TILE - 1) / TILE),
        width((head_dim + 15) / 16 * 16),
        tile_elements(width * TILE),
        head_elements(2 * tiles * tile_elements),
        layer_elements(kv_heads * head_elements),
        block_elements(num_layers * layer_elements) {}

  // The key tile that holds slot `offset` of a block; the value tile follows it.
  int64_t tile(int64_t block, int64_t layer, int64_t head, int64_t tile_index) const {
    return block * block_elements + layer * layer_elements + head * head_elements + tile_index * 2 * tile_elements;
  }
};

// Write one token's key and value (`width` elements each, zero padded) of one head to its slot.
template <class Kv>
void write_kv(typename Kv::Element *kv, const KvLayout &at, int64_t layer, int64_t head, int64_t slot,
              const typename Kv::Element *key, const typename Kv::Element *value) {
  int64_t block = slot / at.block_size, offset = slot % at.block_size;
  auto *keys = kv + at.tile(block, layer, head, offset / TILE);
  auto *values = keys + at.tile_elements;
  int lane = offset % TILE;
  for (int64_t d = 0; d < at.width; d += 2) Kv::put_two(keys + d * TILE, lane, key + d);
  values += lane / 2 * at.width * 2;
  for (int64_t d = 0; d < at.width; d += 16) Kv::put_half(values + d * 2, lane % 2, value + d);
}

// One sequence's part in a step, for one layer and one kv head.
template <class Kv>
struct Sequence {
  const typename Kv::Element *kv;
  const KvLayout *at;
  const int64_t *blocks;
  int64_t layer, head;
  int64_t window;  // 0: none
  float scale;

  const typename Kv::Element *tile(int64_t index) const {
    return kv + at->tile(blocks[index / at->tiles], layer, head, index % at->tiles);
  }
  int64_t first_position(int64_t index) const {
    return index / at->tiles * at->block_size + index % at->tiles * TILE;
  }
  int64_t lanes(int64_t index) const { return least(TILE, at->block_size - index % at->tiles * TILE); }
  int64_t tile_of(int64_t position) const {
    return position / at->block_size * at->tiles + position % at->block_size / TILE;
  }
};

// Scores of R queries with N tiles, by R * N chains that do not wait for each other.
template <class Kv, int R, int N>
void score_tiles(const typename Kv::Element *const *tiles, const typename Kv::Element *const *queries, int64_t width,
                 float *scores, int64_t first_tile) {
  f32x16 acc[R][N];
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) acc[r][n] = splat(0.0f);
  for (int64_t d = 0; d < width; d += 2)
    for (int r = 0; r < R; r++) {
      auto pair = Kv::two(queries[r] + d);
      for (int n = 0; n < N; n++) acc[r][n] = Kv::dot(acc[r][n], tiles[n] + d / 2 * 32, pair);
    }
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) store(scores + r * SPAN * TILE + (first_tile + n) * TILE, acc[r][n]);
}

template <class Kv, int R>
void score_rows(const typename Kv::Element *const *tiles, int num_tiles, const typename Kv::Element *const *queries,
                int64_t width, float *scores) {
  constexpr int N = R >= 8 ? 2 : 4;
  int n = 0;
  for (; n + N <= num_tiles; n += N) score_tiles<Kv, R, N>(tiles + n, queries, width, scores, n);
  for (; n < num_tiles; n++) score_tiles<Kv, R, 1>(tiles + n, queries, width, scores, n);
}

template <class Kv>
void score(const typename Kv::Element *const *tiles, int num_tiles, const typename Kv::Element *const *queries,
           int rows, int64_t width, float *scores) {
  int r = 0;
  for (; r + 8 <= rows; r += 8) score_rows<Kv, 8>(tiles, num_tiles, queries + r, width, scores + r * SPAN * TILE);
  for (; r + 4 <= rows; r += 4) score_rows<Kv, 4>(tiles, num_tiles, queries + r, width, scores + r * SPAN * TILE);
  for (; r + 2 <= rows; r += 2) score_rows<Kv, 2>(tiles, num_tiles, queries + r, width, scores + r * SPAN * TILE);
  if (r < rows) score_rows<Kv, 1>(tiles, num_tiles, queries + r, width, scores + r * SPAN * TILE);
}

// out[r][16 * N coordinates] = out * decay + weights @ values, for R queries.
template <class Kv, int R, int N>
void blend(const typename Kv::Element *const *tiles, int num_tiles, const typename Kv::Element *weights, int64_t width,
           int64_t first, const float *decay, float *out) {
  f32x16 acc[R][N];
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) acc[r][n] = load(out + r * width + first + n * 16) * splat(decay[r]);
  for (int t = 0; t < num_tiles; t++) {
    const auto *values = tiles[t] + width * TILE + first * 2;
    for (int pair = 0; pair < TILE / 2; pair++, values += 2 * width)
      for (int r = 0; r < R; r++) {
        auto both = Kv::two(weights + (r * SPAN + t) * TILE + 2 * pair);
        for (int n = 0; n < N; n++) acc[r][n] = Kv::dot(acc[r][n], values + n * 32, both);
      }
  }
  for (int r = 0; r < R; r++)
    for (int n = 0; n < N; n++) store(out + r * width + first + n * 16, acc[r][n]);
}

template <class Kv, int R>
void blend_rows(const typename Kv::Element *const *tiles, int num_tiles, const typename Kv::Element *weights,
                int64_t width, const float *decay, float *out) {
  int64_t d = 0;
  for (; d + 64 <= width; d += 64) blend<Kv, R, 4>(tiles, num_tiles, weights, width, d, decay, out);
  for (; d < width; d += 16) blend<Kv, R, 1>(tiles, num_tiles, weights, width, d, decay, out);
}

// The tiles of one softmax step.
template <class Kv>
struct Span {
  const typename Kv::Element *tiles[SPAN];
  int64_t starts[SPAN], lanes[SPAN];  // the first position of each, and how many tokens it holds
  int count;

  Span(const Sequence<Kv> &sequence, int64_t first, int64_t end) : count((int)least(SPAN, end - first)) {
    for (int t = 0; t < count; t++) {
      tiles[t] = sequence.tile(first + t);
      starts[t] = sequence.first_position(first + t);
      lanes[t] = sequence.lanes(first + t);
    }
  }

  // Have the beginnings of all tiles, `offset` elements on, brought to the cache; the CPU goes on from there by itself.
  void fetch(int64_t offset) const {
    for (int t = 0; t < count; t++)
      for (int line = 0; line < 8; line++) __builtin_prefetch((const char *)(tiles[t] + offset) + 64 * line);
  }
};

// Scores of one span, scaled and masked in place; returns the largest of them and of `best`. With the scale, they are
// logarithms to base 2.
template <class Kv>
INLINE float mask_scores(const Span<Kv> &span, float scale, int64_t window, int64_t position, float best,
                         float *scores) {
  const int64_t oldest = window ? position - window + 1 : 0;
  f32x16 top = splat(best);
  for (int t = 0; t < span.count; t++) {
    const int64_t last = least(position - span.starts[t], span.lanes[t] - 1), first = oldest - span.starts[t];
    f32x16 s = load(scores + t * TILE) * splat(scale);
    if (first > 0 || last < TILE - 1)
      s = select(lanes_between((int32_t)most(first, 0), (int32_t)last), s, splat(-INFINITY));
    store(scores + t * TILE, s);
    top = max(top, s);
  }
  return max_of(top);
}

// Scores -> weights 2^(score - best); total = total * decay + their sum, as rounded, lane by lane.
template <class Kv>
INLINE void weigh(const float *scores, int num_tiles, float best, float decay, typename Kv::Element *weights,
                  float *total) {
  f32x16 sum = load(total) * splat(decay);
  for (int t = 0; t < num_tiles; t++) {
    Kv::put(weights + t * TILE, exp2_of_negative(load(scores + t * TILE) - splat(best)));
    sum = sum + Kv::get(weights + t * TILE);
  }
  store(total, sum);
}

// `rows` queries, at most MAX_ROWS, that all belong to one sequence and kv head: query r is at
// `positions[r]`, reads `queries[r]` and writes `width` floats to `outs[r]`. `sinks`: one logit per query, or null.
template <class Kv>
void attend(const Sequence<Kv> &sequence, int rows, const typename Kv::Element *const *queries,
            const int64_t *positions, const float *sinks, float *const *outs) {
  const int64_t width = sequence.at->width;
  alignas(64) float out[MAX_ROWS * MAX_HEAD];
  alignas(64) float scores[MAX_ROWS * SPAN * TILE];
  alignas(64) typename Kv::Element weights[MAX_ROWS * SPAN * TILE];
  alignas(64) float best[MAX_ROWS], decay[MAX_ROWS], total[MAX_ROWS * 16];  // a row's total is the sum of its 16
  __builtin_memset(out, 0, rows * width * sizeof(float));
  for (int r = 0; r < MAX_ROWS; r++) {
    best[r] = sinks && r < rows ? sinks[r] * LOG2_E : LOWEST;
    store(total + r * 16, splat(sinks ? 1.0f / 16 : 0.0f));
  }

  int64_t newest = positions[0], oldest = positions[0];
  for (int r = 1; r < rows; r++) newest = most(newest, positions[r]), oldest = least(oldest, positions[r]);
  int64_t from = sequence.window ? most(0, oldest - sequence.window + 1) : 0;
  int64_t end = sequence.tile_of(newest) + 1;
  for (int64_t first = sequence.tile_of(from) / SPAN * SPAN; first < end; first += SPAN) {
    const Span<Kv> span(sequence, first, end);
    span.fetch(sequence.at->tile_elements);  // the values, and the next keys
    if (first + SPAN < end) Span<Kv>(sequence, first + SPAN, end).fetch(0);
    score<Kv>(span.tiles, span.count, queries, rows, width, scores);
    for (int r = 0; r < rows; r++) {
      decay[r] = best[r];
      best[r] =
          mask_scores(span, sequence.scale * LOG2_E, sequence.window, positions[r], best[r], scores + r * SPAN * TILE);
    }
    for (int r = 0; r < rows; r += 16) store(decay + r, exp2_of_negative(load(decay + r) - load(best + r)));
    for (int r = 0; r < rows; r++)
      weigh<Kv>(scores + r * SPAN * TILE, span.count, best[r], decay[r], weights + r * SPAN * TILE, total + r * 16);
    int r = 0;
    for (; r + 4 <= rows; r += 4)
      blend_rows<Kv, 4>(span.tiles, span.count, weights + r * SPAN * TILE, width, decay + r, out + r * width);
    for (; r + 2 <= rows; r += 2)
      blend_rows<Kv, 2>(span.tiles, span.count, weights + r * SPAN * TILE, width, decay + r, out + r * width);
    if (r < rows)
      blend_rows<Kv, 1>(span.tiles, span.count, weights + r * SPAN * TILE, width, decay + r, out + r * width);
  }
  for (int r = 0; r < rows; r++) {
    f32x16 inverse = splat(1.0f / sum(load(total + r * 16)));
    for (int64_t d = 0; d < width; d += 16) store(outs[r] + d, load(out + r * width + d) * inverse);
  }
}

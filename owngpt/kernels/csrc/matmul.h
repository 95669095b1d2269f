// One thread's share of a matrix product: outputs n_begin..n_end (multiples of 16) of every row.
//
// A tile of R rows and P panels keeps its R * P sums in registers and goes through k once. Each output has one chain of
// sums over ascending k, whatever tile it falls in: its bits depend on its row and its weights alone.
//
// A panel is a sequence of lines of 64 bytes. Few rows go through a panel in one tile, as fast as memory brings it;
// many rows go through a block of panels tile by tile, while it is in cache. With each line that it reads a tile
// fetches one that is needed later.

constexpr int64_t LINE = 64;
constexpr int64_t LEAD = 8192;  // bytes; how far ahead one pass over the weights fetches

struct Job {
  const Weight &w;
  const Rows &x;
  float *out;  // [rows][ld]
  int64_t ld;
  bool accumulate;
  const Gate *gate;  // null, or: panel n is a gate, panel n + up what it is for, and `out` gets gate(n) * (n + up)
  int64_t up;        // panels
};

template <class T>
INLINE T load_scalar(const void *p) {
  T v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE f32x16 biased(const Job &job, int64_t n, f32x16 value) {
  return job.w.bias ? value + load(job.w.bias + n) : value;
}

// out = value + bias, or out += value + bias.
INLINE void finish(const Job &job, int64_t n, int64_t r, f32x16 value) {
  float *out = job.out + r * job.ld + n;
  value = biased(job, n, value);
  store(out, job.accumulate ? load(out) + value : value);
}

// float(sum) * (row scale * channel scale) of int8 and int4.
INLINE f32x16 scaled(const Job &job, int64_t n, int64_t r, f32x16 sum) {
  return sum * (splat(job.x.scale[r]) * load(job.w.scale + n));
}

#define EACH_PANEL _Pragma("GCC unroll 8") for (int p = 0; p < P; p++)
#define EACH_ROW _Pragma("GCC unroll 16") for (int i = 0; i < R; i++)

// Formats whose line meets four bytes of a row: one float, two bfloat16 or four int8.

struct FloatSums {
  typedef f32x16 Sum;
  static constexpr int64_t K_OF_LINE = 1;
  INLINE const void *rows(const Rows &x) { return x.f32; }
  INLINE Sum first(const Rows &, int64_t) { return splat(0.0f); }
  INLINE Sum add(Sum sum, i32x16 w, int32_t x) { return fma(from_bits(w), from_bits(splat(x)), sum); }
  INLINE f32x16 value(const Job &, int64_t, int64_t, Sum sum) { return sum; }
};

struct Bf16Sums {
  typedef f32x16 Sum;
  static constexpr int64_t K_OF_LINE = 2;
  INLINE const void *rows(const Rows &x) { return x.bf16; }
  INLINE Sum first(const Rows &, int64_t) { return splat(0.0f); }
  INLINE Sum add(Sum sum, i32x16 w, int32_t x) { return dot2(sum, w, x); }
  INLINE f32x16 value(const Job &, int64_t, int64_t, Sum sum) { return sum; }
};

// Exact for k < 65536.
struct Int8Sums {
  typedef i32x16 Sum;
  static constexpr int64_t K_OF_LINE = 4;
  INLINE const void *rows(const Rows &x) { return x.q8; }
  INLINE Sum first(const Rows &x, int64_t r) { return splat((DOT_OFFSET - 128) * x.totals[r]); }
  INLINE Sum add(Sum sum, i32x16 w, int32_t x) { return dot4(sum, w, x); }
  INLINE f32x16 value(const Job &job, int64_t n, int64_t r, Sum sum) { return scaled(job, n, r, to_float(sum)); }
};

template <class Sums>
struct Plain {
  static constexpr int64_t K_OF_LINE = Sums::K_OF_LINE;
#if defined(ISA_AVX512)
  static constexpr int FEW_ROWS = 16, TILE_ROWS = 6, TILE_PANELS = 4;
#elif defined(ISA_AVX2)
  static constexpr int FEW_ROWS = 4, TILE_ROWS = 4, TILE_PANELS = 1;
#else
  static constexpr int FEW_ROWS = 2, TILE_ROWS = 2, TILE_PANELS = 1;
#endif

  // With a gate, the first half of the panels are gates, the others what they are for.
  template <int R, int P, bool has_gate>
  static void tile(const Job &job, const uint8_t *w, int64_t n, int64_t r, const uint8_t *ahead) {
    const int64_t lines = job.w.k / K_OF_LINE, skipped = has_gate ? job.up - P / 2 : 0;
    const uint8_t *x = (const uint8_t *)Sums::rows(job.x) + r * lines * 4;
    typename Sums::Sum sum[P][R];
    EACH_PANEL EACH_ROW sum[p][i] = Sums::first(job.x, r + i);
    _Pragma("GCC unroll 2") for (int64_t line = 0; line < lines; line++) {
      __builtin_prefetch(ahead + line * LINE);
      EACH_PANEL {
        const int64_t panel = p < P / 2 ? p : p + skipped;
        const i32x16 v = load_as<i32x16>(w + (panel * lines + line) * LINE);
        EACH_ROW sum[p][i] = Sums::add(sum[p][i], v, load_scalar<int32_t>(x + (i * lines + line) * 4));
      }
    }
    if constexpr (!has_gate) {
      EACH_PANEL EACH_ROW finish(job, n + 16 * p, r + i, Sums::value(job, n + 16 * p, r + i, sum[p][i]));
    } else {
      alignas(64) float values[R][P * 16];
      EACH_PANEL EACH_ROW {
        const int64_t column = n + 16 * (p < P / 2 ? p : p + skipped);
        store(values[i] + 16 * p, biased(job, column, Sums::value(job, column, r + i, sum[p][i])));
      }
      for (int i = 0; i < R; i++)
        activate(*job.gate, values[i], values[i] + P * 8, P * 8, job.out + (r + i) * job.ld + n);
    }
  }
};

// Exact sums within a group, then float sums over groups in order of k. No fma: the same bits on every path.
template <bool has_lut>
struct Int4 {
  static constexpr int64_t K_OF_LINE = 8;
#if defined(ISA_AVX512)
  static constexpr int FEW_ROWS = 4, TILE_ROWS = 4, TILE_PANELS = 2;
#else
  static constexpr int FEW_ROWS = 2, TILE_ROWS = 2, TILE_PANELS = 1;
#endif

  INLINE i32x16 values(i32x16 codes, const uint8_t *lut) {
    const i32x16 low = codes & splat(0x0f0f0f0f);
    return has_lut ? look_up(low, lut) : low;
  }

  template <int R, int P, bool has_gate>
  static void tile(const Job &job, const uint8_t *w, int64_t n, int64_t r, const uint8_t *ahead) {
    static_assert(!has_gate);
    const int64_t k = job.w.k, group = job.w.group, groups = k / group;
    const i32x16 zero = splat(DOT_OFFSET - job.w.zero);
    const int8_t *x = job.x.q8 + r * k;
    f32x16 value[P][R];
    EACH_PANEL EACH_ROW value[p][i] = splat(0.0f);
    const int32_t *sums = job.x.sums + r * (k / 32);
    for (int64_t g = 0, j = 0; g < groups; g++) {
      i32x16 total[R], sum[P][R];
      EACH_ROW total[i] = splat(0);
      EACH_PANEL EACH_ROW sum[p][i] = splat(0);
      for (const int64_t end = j + group; j < end; j += 32) {
        EACH_ROW total[i] = total[i] + splat(sums[i * (k / 32) + j / 32]);
        _Pragma("GCC unroll 4") for (int64_t b = 0; b < 16; b += 4) {
          const int64_t line = j / 8 + b / 4;
          __builtin_prefetch(ahead + line * LINE);
          EACH_PANEL {
            const i32x16 codes = load_as<i32x16>(w + (p * k / 8 + line) * LINE);
            const i32x16 low = values(codes, job.w.lut), high = values(codes >> 4, job.w.lut);
            EACH_ROW sum[p][i] = dot4(sum[p][i], low, load_scalar<int32_t>(x + i * k + j + b));
            EACH_ROW sum[p][i] = dot4(sum[p][i], high, load_scalar<int32_t>(x + i * k + j + 16 + b));
          }
        }
      }
      EACH_PANEL {
        const int64_t at = ((n / 16 + p) * groups + g) * 16;
        const f32x16 scale = load_f16(job.w.group_scale + at);
        EACH_ROW value[p][i] = value[p][i] + scale * to_float(sum[p][i] + total[i] * zero);
        if (job.w.group_min) {
          const f32x16 least = load_f16(job.w.group_min + at);
          EACH_ROW value[p][i] = value[p][i] - least * to_float(total[i]);
        }
      }
    }
    EACH_PANEL EACH_ROW finish(job, n + 16 * p, r + i, scaled(job, n + 16 * p, r + i, value[p][i]));
  }
};

// A tile of R rows, or of the `rows` < R that are left.
template <class Format, int R, int P, bool has_gate>
INLINE void tile_of(const Job &job, const uint8_t *w, int64_t n, int64_t r, int64_t rows, const uint8_t *ahead) {
  if (rows >= R) return Format::template tile<R, P, has_gate>(job, w, n, r, ahead);
  if constexpr (R > 1) tile_of<Format, R - 1, P, has_gate>(job, w, n, r, rows, ahead);
}

// All rows over one block of panels after the other, then over the panels that make no whole block.
template <class Format, int R, int P, bool has_gate>
static void tiles(const Job &job, int64_t n, int64_t n_end) {
  constexpr int GATES = has_gate ? P / 2 : P;
  const int64_t panel = job.w.k / Format::K_OF_LINE * LINE;
  const bool is_one_pass = job.x.rows <= R;
  for (; n + 16 * GATES <= n_end; n += 16 * GATES) {
    const uint8_t *w = job.w.data + n / 16 * panel, *next = w + GATES * panel;
    for (int64_t r = 0, pass = 0; r < job.x.rows; r += R, pass++) {
      const int64_t fetched = pass < GATES ? pass : pass < P ? job.up + pass - GATES : 0;
      const uint8_t *ahead = is_one_pass ? w + LEAD : next + fetched * panel;
      tile_of<Format, R, P, has_gate>(job, w, n, r, job.x.rows - r, ahead);
    }
  }
  if constexpr (GATES > 1) tiles<Format, R, P / GATES, has_gate>(job, n, n_end);
}

template <class Format>
static void product_of(const Job &job, int64_t n_begin, int64_t n_end) {
  if (job.x.rows <= Format::FEW_ROWS) return tiles<Format, Format::FEW_ROWS, 1, false>(job, n_begin, n_end);
  tiles<Format, Format::TILE_ROWS, Format::TILE_PANELS, false>(job, n_begin, n_end);
}

// One thread's share of out[rows][ld] = gate(x * w[0, size)) * (x * w[size, 2 size)): outputs n_begin..n_end of `size`.
// Whether it was done: only products of many rows gain by it, and only whole panels of gates have a partner.
template <class Format>
static bool gated_product_of(const Job &job, int64_t n_begin, int64_t n_end) {
  if constexpr (Format::TILE_PANELS % 2 == 0) {
    if (job.x.rows <= Format::FEW_ROWS || job.w.n % 32 != 0) return false;
    tiles<Format, Format::TILE_ROWS, Format::TILE_PANELS, true>(job, n_begin, n_end);
    return true;
  }
  return false;
}

static bool gated_matmul(const Weight &w, const Rows &x, const Gate &gate, int64_t n_begin, int64_t n_end, float *out,
                         int64_t ld) {
  const Job job = {w, x, out, ld, false, &gate, w.n / 32};
  switch (w.format) {
    case BF16:
      return gated_product_of<Plain<Bf16Sums>>(job, n_begin, n_end);
    case INT8:
      return gated_product_of<Plain<Int8Sums>>(job, n_begin, n_end);
    default:
      return false;
  }
}

static void matmul(const Weight &w, const Rows &x, int64_t n_begin, int64_t n_end, float *out, int64_t ld,
                   bool accumulate) {
  const Job job = {w, x, out, ld, accumulate, nullptr, 0};
  switch (w.format) {
    case F32:
      return product_of<Plain<FloatSums>>(job, n_begin, n_end);
    case BF16:
      return product_of<Plain<Bf16Sums>>(job, n_begin, n_end);
    case INT8:
      return product_of<Plain<Int8Sums>>(job, n_begin, n_end);
    default:
      if (w.has_lut) return product_of<Int4<true>>(job, n_begin, n_end);
      return product_of<Int4<false>>(job, n_begin, n_end);
  }
}

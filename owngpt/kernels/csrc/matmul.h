// One thread's share of a matrix product: outputs n_begin..n_end (multiples of 16) of every row.
//
// A tile of R rows and P panels keeps its R * P sums in registers and goes through k once. Each output has one chain of
// sums over ascending k, whatever tile it falls in: its bits depend on its row and its weights alone.

struct Job {
  const Weight &w;
  const Rows &x;
  float *out;  // [rows][ld]
  int64_t ld;
  bool accumulate;
};

template <class T>
INLINE T load_scalar(const void *p) {
  T v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

// out = value + bias, or out += value + bias.
INLINE void finish(const Job &job, int64_t n, int64_t r, f32x16 value) {
  float *out = job.out + r * job.ld + n;
  if (job.w.bias) value = value + load(job.w.bias + n);
  store(out, job.accumulate ? load(out) + value : value);
}

#define EACH_PANEL _Pragma("GCC unroll 4") for (int p = 0; p < P; p++)
#define EACH_ROW _Pragma("GCC unroll 16") for (int i = 0; i < R; i++)

struct FloatProduct {
  template <int R, int P>
  static void tile(const Job &job, int64_t n, int64_t r) {
    const int64_t k = job.w.k;
    const float *w = (const float *)job.w.data + n * k, *x = job.x.f32 + r * k;
    f32x16 acc[P][R];
    EACH_PANEL EACH_ROW acc[p][i] = splat(0.0f);
    for (int64_t j = 0; j < k; j++)
      EACH_PANEL {
        const f32x16 v = load(w + (p * k + j) * 16);
        EACH_ROW acc[p][i] = fma(v, splat(x[i * k + j]), acc[p][i]);
      }
    EACH_PANEL EACH_ROW finish(job, n + 16 * p, r + i, acc[p][i]);
  }
};

struct Bf16Product {
  template <int R, int P>
  static void tile(const Job &job, int64_t n, int64_t r) {
    const int64_t k = job.w.k;
    const uint8_t *w = job.w.data + n * k * 2;
    const uint16_t *x = job.x.bf16 + r * k;
    f32x16 acc[P][R];
    EACH_PANEL EACH_ROW acc[p][i] = splat(0.0f);
    for (int64_t j = 0; j < k; j += 2)
      EACH_PANEL {
        const i32x16 v = load_as<i32x16>(w + (p * k + j) * 32);
        EACH_ROW acc[p][i] = dot2(acc[p][i], v, load_scalar<int32_t>(x + i * k + j));
      }
    EACH_PANEL EACH_ROW finish(job, n + 16 * p, r + i, acc[p][i]);
  }
};

// y = float(sum of w * x) * (row scale * channel scale); the sum is exact for k < 65536.
struct Int8Product {
  template <int R, int P>
  static void tile(const Job &job, int64_t n, int64_t r) {
    const int64_t k = job.w.k;
    const uint8_t *w = job.w.data + n * k;
    const int8_t *x = job.x.q8 + r * k;
    i32x16 acc[P][R];
    EACH_PANEL EACH_ROW acc[p][i] = splat((DOT_OFFSET - 128) * job.x.totals[r + i]);
    for (int64_t j = 0; j < k; j += 4)
      EACH_PANEL {
        const i32x16 v = load_as<i32x16>(w + (p * k + j) * 16);
        EACH_ROW acc[p][i] = dot4(acc[p][i], v, load_scalar<int32_t>(x + i * k + j));
      }
    EACH_PANEL {
      const f32x16 scale = load(job.w.scale + n + 16 * p);
      EACH_ROW finish(job, n + 16 * p, r + i, to_float(acc[p][i]) * (splat(job.x.scale[r + i]) * scale));
    }
  }
};

// Exact sums within a group, then float sums over groups in order of k. No fma: the same bits on every path.
template <bool has_lut>
struct Int4Product {
  INLINE i32x16 values(i32x16 codes, const uint8_t *lut) {
    const i32x16 low = codes & splat(0x0f0f0f0f);
    return has_lut ? look_up(low, lut) : low;
  }

  template <int R, int P>
  static void tile(const Job &job, int64_t n, int64_t r) {
    const int64_t k = job.w.k, group = job.w.group, groups = k / group;
    const uint8_t *w = job.w.data + n * k / 2;
    const int8_t *x = job.x.q8 + r * k;
    const int32_t *sums = job.x.sums + r * (k / 32);
    f32x16 value[P][R];
    EACH_PANEL EACH_ROW value[p][i] = splat(0.0f);
    for (int64_t g = 0; g < groups; g++) {
      int32_t sum[R];
      EACH_ROW {
        sum[i] = 0;
        for (int64_t j = g * group / 32; j < (g + 1) * group / 32; j++) sum[i] += sums[i * (k / 32) + j];
      }
      i32x16 acc[P][R];
      EACH_PANEL EACH_ROW acc[p][i] = splat((DOT_OFFSET - job.w.zero) * sum[i]);
      for (int64_t j = g * group; j < (g + 1) * group; j += 32)
        for (int64_t b = 0; b < 16; b += 4)
          EACH_PANEL {
            const i32x16 codes = load_as<i32x16>(w + p * k * 8 + (j / 2 + b) * 16);
            const i32x16 low = values(codes, job.w.lut), high = values(codes >> 4, job.w.lut);
            EACH_ROW {
              acc[p][i] = dot4(acc[p][i], low, load_scalar<int32_t>(x + i * k + j + b));
              acc[p][i] = dot4(acc[p][i], high, load_scalar<int32_t>(x + i * k + j + 16 + b));
            }
          }
      EACH_PANEL {
        const int64_t at = ((n / 16 + p) * groups + g) * 16;
        const f32x16 scale = load_f16(job.w.group_scale + at);
        EACH_ROW value[p][i] = value[p][i] + scale * to_float(acc[p][i]);
        if (job.w.group_min) {
          const f32x16 least = load_f16(job.w.group_min + at);
          EACH_ROW value[p][i] = value[p][i] - least * splat((float)sum[i]);
        }
      }
    }
    EACH_PANEL {
      const f32x16 scale = load(job.w.scale + n + 16 * p);
      EACH_ROW finish(job, n + 16 * p, r + i, value[p][i] * (splat(job.x.scale[r + i]) * scale));
    }
  }
};

// The tile of the last `rows` <= R rows.
template <class Kernel, int R, int P>
INLINE void tile_rows(const Job &job, int64_t n, int64_t r, int64_t rows) {
  if (rows >= R) return Kernel::template tile<R, P>(job, n, r);
  if constexpr (R > 1) tile_rows<Kernel, R - 1, P>(job, n, r, rows);
}

// Panels in blocks of P as far as they go, then one by one; each block meets all rows while it is in cache.
template <class Kernel, int R, int P>
static void all_tiles(const Job &job, int64_t n_begin, int64_t n_end) {
  int64_t n = n_begin;
  for (; n + 16 * P <= n_end; n += 16 * P)
    for (int64_t r = 0; r < job.x.rows; r += R) tile_rows<Kernel, R, P>(job, n, r, job.x.rows - r);
  if constexpr (P > 1) all_tiles<Kernel, R, 1>(job, n, n_end);
}

template <class Kernel>
static void product_of(const Job &job, int64_t n_begin, int64_t n_end) {
#if defined(ISA_AVX512)
  all_tiles<Kernel, 6, 4>(job, n_begin, n_end);
#elif defined(ISA_AVX2)
  all_tiles<Kernel, 4, 1>(job, n_begin, n_end);
#else
  all_tiles<Kernel, 2, 1>(job, n_begin, n_end);
#endif
}

static void matmul(const Weight &w, const Rows &x, int64_t n_begin, int64_t n_end, float *out, int64_t ld,
                   bool accumulate) {
  const Job job = {w, x, out, ld, accumulate};
  switch (w.format) {
    case F32: return product_of<FloatProduct>(job, n_begin, n_end);
    case BF16: return product_of<Bf16Product>(job, n_begin, n_end);
    case INT8: return product_of<Int8Product>(job, n_begin, n_end);
    default:
      if (w.has_lut) return product_of<Int4Product<true>>(job, n_begin, n_end);
      return product_of<Int4Product<false>>(job, n_begin, n_end);
  }
}

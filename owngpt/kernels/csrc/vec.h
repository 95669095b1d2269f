// Vectors of 16 lanes on every instruction set: one register with AVX-512, two with AVX2, four otherwise.
//
// Everything that needs no special instruction is written with GNU vector extensions, so that one source serves all
// paths and gives the same bits on all of them. `fma` is the exception: where there is none, it rounds twice.
// Included by each isa_*.cpp inside its own namespace; nothing here may come from the standard library's templates,
// whose instances the linker shares between instruction sets.

#define INLINE static inline __attribute__((always_inline))

typedef float f32x4 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

// Two halves that act as one vector. A comparison gives lanes of 0 or -1, as GNU vectors do.
template <class V>
struct Pair {
  V lo, hi;
  // A GNU vector may be read as an array of its lanes.
  auto &operator[](int i) { return i < LANES ? lo[i] : hi[i - LANES]; }
  static constexpr int LANES = sizeof(V) / 4;
};

#define OPERATOR(op)                                         \
  template <class V>                                         \
  INLINE auto operator op(const Pair<V> &a, const Pair<V> &b) { \
    return Pair<decltype(a.lo op b.lo)>{a.lo op b.lo, a.hi op b.hi}; \
  }
OPERATOR(+)
OPERATOR(-)
OPERATOR(*)
OPERATOR(/)
OPERATOR(&)
OPERATOR(|)
OPERATOR(^)
OPERATOR(<)
OPERATOR(<=)
OPERATOR(>)
OPERATOR(>=)
OPERATOR(==)
OPERATOR(!=)
#undef OPERATOR

template <class V>
INLINE Pair<V> &operator+=(Pair<V> &a, const Pair<V> &b) {
  return a = a + b;
}
template <class V>
INLINE Pair<V> operator<<(const Pair<V> &a, int count) {
  return {a.lo << count, a.hi << count};
}
template <class V>
INLINE Pair<V> operator>>(const Pair<V> &a, int count) {
  return {a.lo >> count, a.hi >> count};
}
template <class V>
INLINE Pair<V> operator-(const Pair<V> &a) {
  return {-a.lo, -a.hi};
}

#if defined(ISA_AVX512)
typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
#elif defined(ISA_AVX2)
typedef Pair<f32x8> f32x16;
typedef Pair<i32x8> i32x16;
#else
typedef Pair<Pair<f32x4>> f32x16;
typedef Pair<Pair<i32x4>> i32x16;
#endif

// Loads and stores need no alignment.

template <class V>
INLINE void copy_in(V &v, const void *p) {
  __builtin_memcpy(&v, p, sizeof v);
}
template <class V>
INLINE void copy_in(Pair<V> &v, const void *p) {
  copy_in(v.lo, p);
  copy_in(v.hi, (const char *)p + sizeof(V));
}
template <class V>
INLINE void copy_out(void *p, const V &v) {
  __builtin_memcpy(p, &v, sizeof v);
}
template <class V>
INLINE void copy_out(void *p, const Pair<V> &v) {
  copy_out(p, v.lo);
  copy_out((char *)p + sizeof(V), v.hi);
}
template <class V>
INLINE V load_as(const void *p) {
  V v;
  copy_in(v, p);
  return v;
}
INLINE f32x16 load(const float *p) { return load_as<f32x16>(p); }
INLINE i32x16 load(const int32_t *p) { return load_as<i32x16>(p); }
INLINE void store(float *p, f32x16 v) { copy_out(p, v); }
INLINE void store(int32_t *p, i32x16 v) { copy_out(p, v); }

#if defined(ISA_AVX512)
INLINE f32x16 splat(float x) { return (f32x16)_mm512_set1_ps(x); }
INLINE i32x16 splat(int32_t x) { return (i32x16)_mm512_set1_epi32(x); }
#elif defined(ISA_AVX2)
INLINE f32x16 splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INLINE i32x16 splat(int32_t x) { return {(i32x8)_mm256_set1_epi32(x), (i32x8)_mm256_set1_epi32(x)}; }
#else
INLINE f32x16 splat(float x) {
  const f32x4 v = {x, x, x, x};
  return {{v, v}, {v, v}};
}
INLINE i32x16 splat(int32_t x) {
  const i32x4 v = {x, x, x, x};
  return {{v, v}, {v, v}};
}
#endif

// a * b + c, rounded once where the CPU can.
INLINE f32x4 fma(f32x4 a, f32x4 b, f32x4 c) { return a * b + c; }
#if defined(ISA_AVX512)
INLINE f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return (f32x16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#elif defined(ISA_AVX2)
INLINE f32x8 fma(f32x8 a, f32x8 b, f32x8 c) { return (f32x8)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#endif
template <class V>
INLINE Pair<V> fma(const Pair<V> &a, const Pair<V> &b, const Pair<V> &c) {
  return {fma(a.lo, b.lo, c.lo), fma(a.hi, b.hi, c.hi)};
}

// Lanes of `a` where `mask` is -1, of `b` where it is 0.
template <class M, class V>
INLINE V select(M mask, V a, V b) {
  return mask ? a : b;
}
template <class M, class V>
INLINE Pair<V> select(const Pair<M> &mask, const Pair<V> &a, const Pair<V> &b) {
  return {select(mask.lo, a.lo, b.lo), select(mask.hi, a.hi, b.hi)};
}

// A NaN in `b` wins, one in `a` does not.
template <class V>
INLINE V max(V a, V b) {
  return select(a > b, a, b);
}
template <class V>
INLINE V min(V a, V b) {
  return select(a < b, a, b);
}

// The same bits as another type.
INLINE i32x4 bits(f32x4 v) { return (i32x4)v; }
INLINE f32x4 from_bits(i32x4 v) { return (f32x4)v; }
#if defined(ISA_AVX512)
INLINE i32x16 bits(f32x16 v) { return (i32x16)v; }
INLINE f32x16 from_bits(i32x16 v) { return (f32x16)v; }
#elif defined(ISA_AVX2)
INLINE i32x8 bits(f32x8 v) { return (i32x8)v; }
INLINE f32x8 from_bits(i32x8 v) { return (f32x8)v; }
#endif
template <class V>
INLINE auto bits(const Pair<V> &v) {
  return Pair<decltype(bits(v.lo))>{bits(v.lo), bits(v.hi)};
}
template <class V>
INLINE auto from_bits(const Pair<V> &v) {
  return Pair<decltype(from_bits(v.lo))>{from_bits(v.lo), from_bits(v.hi)};
}

INLINE f32x4 to_float(i32x4 v) { return __builtin_convertvector(v, f32x4); }
#if defined(ISA_AVX512) || defined(ISA_AVX2)
INLINE f32x8 to_float(i32x8 v) { return __builtin_convertvector(v, f32x8); }
#endif
#if defined(ISA_AVX512)
INLINE f32x16 to_float(i32x16 v) { return __builtin_convertvector(v, f32x16); }
#endif
template <class V>
INLINE auto to_float(const Pair<V> &v) {
  return Pair<decltype(to_float(v.lo))>{to_float(v.lo), to_float(v.hi)};
}

// To the nearest integer, ties to even, for |v| < 2^22: adding 1.5 * 2^23 leaves the integer in the low bits.
INLINE i32x16 round_to_int(f32x16 v) {
  return bits(v + splat(12582912.0f)) - splat(0x4b400000);
}

// The low 16 or 8 bits of each lane.
INLINE void store_low16(uint16_t *p, i32x16 v) {
#if defined(ISA_AVX512)
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16((__m512i)v));
#else
  int32_t lanes[16];
  store(lanes, v);
  for (int i = 0; i < 16; i++) p[i] = (uint16_t)lanes[i];
#endif
}
INLINE void store_low8(int8_t *p, i32x16 v) {
#if defined(ISA_AVX512)
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)v));
#else
  int32_t lanes[16];
  store(lanes, v);
  for (int i = 0; i < 16; i++) p[i] = (int8_t)lanes[i];
#endif
}

// 16 unsigned 16-bit values as integers.
INLINE i32x16 load_u16(const uint16_t *p) {
#if defined(ISA_AVX512)
  return (i32x16)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
#elif defined(ISA_AVX2)
  return {(i32x8)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)),
          (i32x8)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 8)))};
#else
  int32_t lanes[16];
  for (int i = 0; i < 16; i++) lanes[i] = p[i];
  return load(lanes);
#endif
}

INLINE f32x16 load_bf16(const uint16_t *p) { return from_bits(load_u16(p) << 16); }

INLINE float f32_from_bf16(uint16_t x) {
  const uint32_t wide = (uint32_t)x << 16;
  float v;
  __builtin_memcpy(&v, &wide, 4);
  return v;
}
INLINE uint16_t bf16_from_f32(float x) {
  uint32_t b;
  __builtin_memcpy(&b, &x, 4);
  return x == x ? (b + 0x7fff + (b >> 16 & 1)) >> 16 : (b | 0x400000) >> 16;
}

// bfloat16, to nearest even; a NaN stays one.
INLINE i32x16 to_bf16(f32x16 v) {
  const i32x16 b = bits(v);
  const i32x16 rounded = b + splat(0x7fff) + ((b >> 16) & splat(1));
  return select(v == v, rounded, b | splat(0x400000)) >> 16;
}
INLINE void store_bf16(uint16_t *p, f32x16 v) {
#if defined(ISA_AVX512BF16)
  const __m256bh rounded = _mm512_cvtneps_pbh((__m512)v);  // takes subnormal numbers for zero
  __builtin_memcpy(p, &rounded, sizeof rounded);
#else
  store_low16(p, to_bf16(v));
#endif
}

// float16, exactly.
INLINE f32x16 load_f16(const uint16_t *p) {
#if defined(ISA_AVX512)
  return (f32x16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif defined(ISA_AVX2)
  return {(f32x8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
          (f32x8)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
#else
  const i32x16 half = load_u16(p), magnitude = (half & splat(0x7fff)) << 13;
  const f32x16 scaled = from_bits(magnitude) * splat(0x1p112f);  // from an exponent bias of 15 to one of 127
  const i32x16 special = magnitude | splat(0x7f800000);
  return from_bits(select(magnitude >= splat(0x7c00 << 13), special, bits(scaled)) | ((half & splat(0x8000)) << 16));
#endif
}

// Horizontal sum and maximum, in a fixed tree: lane i with lane i + 8, then + 4, + 2, + 1.

INLINE float sum(f32x4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE int32_t sum(i32x4 v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE float max_of(f32x4 v) {
  const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}
INLINE int32_t max_of(i32x4 v) {
  const int32_t a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}

#if defined(ISA_AVX512) || defined(ISA_AVX2)
INLINE Pair<f32x4> halves(f32x8 v) {
  return {(f32x4)_mm256_castps256_ps128((__m256)v), (f32x4)_mm256_extractf128_ps((__m256)v, 1)};
}
INLINE Pair<i32x4> halves(i32x8 v) {
  return {(i32x4)_mm256_castsi256_si128((__m256i)v), (i32x4)_mm256_extracti128_si256((__m256i)v, 1)};
}
#endif
#if defined(ISA_AVX512)
INLINE Pair<f32x8> halves(f32x16 v) {
  return {(f32x8)_mm512_castps512_ps256((__m512)v), (f32x8)_mm512_extractf32x8_ps((__m512)v, 1)};
}
INLINE Pair<i32x8> halves(i32x16 v) {
  return {(i32x8)_mm512_castsi512_si256((__m512i)v), (i32x8)_mm512_extracti64x4_epi64((__m512i)v, 1)};
}
#endif
template <class V>
INLINE const Pair<V> &halves(const Pair<V> &v) {
  return v;
}
template <class V>
INLINE auto sum(const V &v) {
  const auto h = halves(v);
  return sum(h.lo + h.hi);
}
template <class V>
INLINE auto max_of(const V &v) {
  const auto h = halves(v);
  return max_of(max(h.lo, h.hi));
}

// 1 / v, within an ulp or two, for v from 1e-37 to 1e37.
#if defined(ISA_AVX512)
INLINE f32x16 reciprocal(f32x16 v) {
  const f32x16 y = (f32x16)_mm512_rcp14_ps((__m512)v);
  return fma(y, splat(1.0f) - v * y, y);
}
#else
INLINE f32x16 reciprocal(f32x16 v) { return splat(1.0f) / v; }
#endif

// v to the nearest whole number, and y * 2^n for a whole n, as far as that is a number.
#if defined(ISA_AVX512)
INLINE f32x16 rounded(f32x16 v) { return (f32x16)_mm512_roundscale_ps((__m512)v, _MM_FROUND_TO_NEAREST_INT); }
INLINE f32x16 times_power(f32x16 y, f32x16 n) { return (f32x16)_mm512_scalef_ps((__m512)y, (__m512)n); }
#else
INLINE f32x16 rounded(f32x16 v) { return to_float(round_to_int(v)); }
INLINE f32x16 times_power(f32x16 y, f32x16 whole) {
  const i32x16 n = round_to_int(whole), half = n >> 1;  // in two steps, since 2^n alone may leave the range
  return y * from_bits((half + splat(127)) << 23) * from_bits((n - half + splat(127)) << 23);
}
#endif

// e^v within 2 units in the last place, 0 and infinity beyond the range, NaN for NaN. The argument is reduced to
// n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite 1980) and the polynomial is the one of Cephes' expf (Moshier 1989).
INLINE f32x16 exp(f32x16 v) {
  const f32x16 x = max(splat(-110.0f), min(splat(110.0f), v));
  const f32x16 n = rounded(x * splat(1.44269504f));
  const f32x16 r = fma(n, splat(2.12194440e-4f), fma(n, splat(-0.693359375f), x));
  f32x16 y = splat(1.9875691500e-4f);
  y = fma(y, r, splat(1.3981999507e-3f));
  y = fma(y, r, splat(8.3334519073e-3f));
  y = fma(y, r, splat(4.1665795894e-2f));
  y = fma(y, r, splat(1.6666665459e-1f));
  y = fma(y, r, splat(5.0000001201e-1f));
  y = fma(y, r * r, r) + splat(1.0f);
  return times_power(y, n);
}

// 2^v for v <= 0, to two parts in ten million; 1 for 0, 0 for minus infinity, NaN for NaN. The polynomial has the least
// largest relative error for |r| <= 0.5 of those that are 1 for 0 (found by Lawson's iteration).
INLINE f32x16 exp2_of_negative(f32x16 v) {
  const f32x16 x = max(splat(-150.0f), v);
  const f32x16 n = rounded(x), r = x - n;
  f32x16 y = splat(1.32647e-3f);
  y = fma(y, r, splat(9.67151e-3f));
  y = fma(y, r, splat(5.550734e-2f));
  y = fma(y, r, splat(2.4022242e-1f));
  y = fma(y, r, splat(6.9314698e-1f));
  return times_power(fma(y, r, splat(1.0f)), n);
}

// The few instructions that GNU vectors cannot name: dot products of bytes and of bfloat16 pairs, and byte look-up.

// acc[i] += the sum over four bytes b of (w[4i + b] - DOT_OFFSET) * x[b]: `w` unsigned, `x` four signed bytes in
// [-127, 127], exactly.
#if defined(ISA_AVX512)
constexpr int32_t DOT_OFFSET = 0;
INLINE i32x16 dot4(i32x16 acc, i32x16 w, int32_t x) {
  return (i32x16)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, _mm512_set1_epi32(x));
}
#elif defined(ISA_AVX2)
// maddubs adds two products in 16 bits and saturates; with |w - 128| <= 128 and |x| <= 127 it never has to.
constexpr int32_t DOT_OFFSET = 128;
INLINE i32x8 dot4(i32x8 acc, i32x8 w, int32_t x) {
  const __m256i s = _mm256_xor_si256((__m256i)w, _mm256_set1_epi8(-128));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(s), _mm256_sign_epi8(_mm256_set1_epi32(x), s));
  return (i32x8)_mm256_add_epi32((__m256i)acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
INLINE i32x16 dot4(i32x16 acc, i32x16 w, int32_t x) { return {dot4(acc.lo, w.lo, x), dot4(acc.hi, w.hi, x)}; }
#else
constexpr int32_t DOT_OFFSET = 0;
typedef int16_t i16x8 __attribute__((vector_size(16)));
// Bytes 0 and 2, then 1 and 3, as 16-bit numbers: a product fits, a sum of two needs 32 bits.
INLINE i32x4 dot2_of4(i32x4 acc, i32x4 w, i32x4 x) {
  const i32x4 products = (i32x4)((i16x8)(w & 0x00ff00ff) * (i16x8)x);
  return acc + (products << 16 >> 16) + (products >> 16);
}
INLINE i32x4 dot4(i32x4 acc, i32x4 w, i32x4 even, i32x4 odd) { return dot2_of4(dot2_of4(acc, w, even), w >> 8, odd); }
template <class V>
INLINE Pair<V> dot4(const Pair<V> &acc, const Pair<V> &w, i32x4 even, i32x4 odd) {
  return {dot4(acc.lo, w.lo, even, odd), dot4(acc.hi, w.hi, even, odd)};
}
INLINE i32x16 dot4(i32x16 acc, i32x16 w, int32_t x) {
  const i32x4 all = splat(x).lo.lo;
  const i32x4 even = (i32x4)((i16x8)(all << 8) >> 8), odd = (i32x4)((i16x8)all >> 8);
  return dot4(acc, w, even, odd);
}
#endif

// acc[i] += w[2i] * x[0] + w[2i + 1] * x[1], all bfloat16.
#if defined(ISA_AVX512BF16)
INLINE f32x16 dot2(f32x16 acc, i32x16 w, int32_t x) {
  return (f32x16)_mm512_dpbf16_ps((__m512)acc, (__m512bh)w, (__m512bh)_mm512_set1_epi32(x));
}
#else
INLINE f32x16 dot2(f32x16 acc, i32x16 w, int32_t x) {
  const i32x16 high = splat((int32_t)0xffff0000), pair = splat(x);
  acc = fma(from_bits(w << 16), from_bits(pair << 16), acc);
  return fma(from_bits(w & high), from_bits(pair & high), acc);
}
#endif

// Each byte of `codes` (0..15) replaced by that byte of `table`.
#if defined(ISA_AVX512)
INLINE i32x16 look_up(i32x16 codes, const uint8_t *table) {
  const __m512i tables = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
  return (i32x16)_mm512_shuffle_epi8(tables, (__m512i)codes);
}
#elif defined(ISA_AVX2)
INLINE i32x16 look_up(i32x16 codes, const uint8_t *table) {
  const __m256i tables = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
  return {(i32x8)_mm256_shuffle_epi8(tables, (__m256i)codes.lo), (i32x8)_mm256_shuffle_epi8(tables, (__m256i)codes.hi)};
}
#else
INLINE i32x16 look_up(i32x16 codes, const uint8_t *table) {
  uint8_t bytes[64];
  __builtin_memcpy(bytes, &codes, 64);
  for (int i = 0; i < 64; i++) bytes[i] = table[bytes[i]];
  return load_as<i32x16>(bytes);
}
#endif

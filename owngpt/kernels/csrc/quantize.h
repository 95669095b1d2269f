// One row of activations, made into what a product with a given weight format reads.

// The whole 16-lane blocks of x[k_real], the rest of a block filled with zeros.
INLINE f32x16 load_block(const float *x, int64_t k, int64_t k_real) {
  if (k + 16 <= k_real) return load(x + k);
  float block[16] = {};
  for (int64_t i = k; i < k_real; i++) block[i - k] = x[i];
  return load(block);
}

// The bits of the largest |x|. As integers they order like the values, with NaN above infinity.
INLINE int32_t largest_bits(const float *x, int64_t k_real) {
  i32x16 largest = splat(0);
  for (int64_t k = 0; k < k_real; k += 16) largest = max(largest, bits(load_block(x, k, k_real)) & splat(0x7fffffff));
  return max_of(largest);
}

// Symmetric int8: x = scale * q8 with scale = max |x| / 127, ties to even. Rows smaller than 1e-35 are zero; a row with
// an infinity or NaN has a NaN scale, which every output of it then shows.
// Only products with int4 weights read the sums over 32 values.
template <bool has_sums>
static void prepare_int8(const float *x, int64_t k_real, Rows &rows, int64_t r) {
  const int32_t top = largest_bits(x, k_real);
  const bool is_finite = top < 0x7f800000;
  float largest;
  __builtin_memcpy(&largest, &top, 4);
  const bool is_zero = !is_finite || largest < 1e-35f;
  const f32x16 inverse = splat(is_zero ? 0.0f : 127.0f / largest);
  int8_t *q8 = rows.q8 + r * rows.k;
  i32x16 total = splat(0);
  for (int64_t k = 0; k < rows.k; k += 32) {
    i32x16 both = splat(0);
    for (int64_t half = k; half < k + 32; half += 16) {
      const i32x16 q = is_zero ? splat(0) : round_to_int(load_block(x, half, k_real) * inverse);
      store_low8(q8 + half, q);
      both = both + q;
    }
    if (has_sums) rows.sums[r * (rows.k / 32) + k / 32] = sum(both);
    total = total + both;
  }
  rows.totals[r] = sum(total);
  rows.scale[r] = !is_finite ? __builtin_nanf("") : is_zero ? 0.0f : largest / 127.0f;
}

static void prepare_row(const Weight &w, const float *x, int64_t k_real, Rows &rows, int64_t r) {
  switch (w.format) {
    case F32:
      for (int64_t k = 0; k < rows.k; k += 16) store(rows.f32 + r * rows.k + k, load_block(x, k, k_real));
      break;
    case BF16:
      for (int64_t k = 0; k < rows.k; k += 16) store_bf16(rows.bf16 + r * rows.k + k, load_block(x, k, k_real));
      break;
    case INT8:
      prepare_int8<false>(x, k_real, rows, r);
      break;
    default:
      prepare_int8<true>(x, k_real, rows, r);
  }
}

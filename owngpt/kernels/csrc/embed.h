// Rows of a packed matrix as plain floats: what an embedding look-up needs.

// One column of a panel's float16 table.
INLINE float half_at(const uint16_t *table, int64_t at) {
  uint16_t block[16] = {table[at]};
  float lanes[16];
  store(lanes, load_f16(block));
  return lanes[0];
}

INLINE float int4_at(const Weight &w, int64_t n, int64_t k) {
  const int64_t inside = k % 32, j = inside % 16;
  const uint8_t byte = w.data[(n / 16 * w.k + k - inside) * 8 + (j / 4 * 16 + n % 16) * 4 + j % 4];
  const int32_t code = inside < 16 ? byte & 15 : byte >> 4;
  const int64_t group = (n / 16 * (w.k / w.group) + k / w.group) * 16 + n % 16;
  const float least = w.group_min ? half_at(w.group_min, group) : 0.0f;
  return w.scale[n] * (half_at(w.group_scale, group) * (float)((w.has_lut ? w.lut[code] : code) - w.zero) - least);
}

// out[w.k] = row n of `w`, its padding too.
static void embed_row(const Weight &w, int64_t n, float *out) {
  const int64_t panel = n / 16 * 16 * w.k, lane = n % 16;
  for (int64_t k = 0; k < w.k; k++) switch (w.format) {
      case F32: out[k] = ((const float *)w.data)[panel + k * 16 + lane]; break;
      case BF16: out[k] = f32_from_bf16(((const uint16_t *)w.data)[panel + (k / 2 * 16 + lane) * 2 + k % 2]); break;
      case INT8: out[k] = w.scale[n] * (float)(w.data[panel + (k / 4 * 16 + lane) * 4 + k % 4] - 128); break;
      default: out[k] = int4_at(w, n, k);
    }
}

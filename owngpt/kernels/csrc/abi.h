// What Python and the kernels tell each other: plain structures, no C++ types, no ownership.
//
// Every matrix product here computes y[r, n] = sum over k of x[r, k] * w[n, k]. Weights are packed in panels of 16
// rows n, so that one vector register holds 16 outputs; `n` and `k` are padded (n to 16, k to 32) with zero weights.
#pragma once

#include <cstdint>

extern "C" {

enum Format : int32_t {
  F32 = 0,   // [n/16][k][16] float
  BF16 = 1,  // [n/16][k/2][16][2] bfloat16
  INT8 = 2,  // [n/16][k/4][16][4] uint8: the value plus 128, values in [-127, 127]; one scale per row n
  INT4 = 3,  // [n/16][k/32][4][16][4] bytes of two 4-bit codes: k = 4j+i of the 32 in the low half, 16+4j+i in the high
};

// A packed matrix. INT4: w[n, k] = scale[n] * (group_scale * (lut[code] - zero) - group_min), per `group` values of k.
struct Weight {
  int32_t format;
  int32_t group;                // INT4: values of k that share a scale; a multiple of 32
  int64_t n, k;                 // padded
  const uint8_t *data;          // 64-byte aligned
  const float *scale;           // [n] INT8, INT4
  const uint16_t *group_scale;  // [n/16][k/group][16] float16, INT4
  const uint16_t *group_min;    // the same shape, or null
  const float *bias;            // [n], or null
  int32_t zero;                 // INT4
  uint8_t lut[16];              // INT4: code -> 0..255 (identity for plain int4; doubled e2m1 values for MXFP4)
  int32_t has_lut;              // 0: the codes are the values
};

// The activations of `rows` tokens as a product reads them. Which pointers are set depends on the weight's format.
struct Rows {
  int64_t rows, k;        // k padded; the padding is zero
  float *f32;             // F32: [rows][k]
  uint16_t *bf16;         // BF16: [rows][k]
  int8_t *q8;             // INT8, INT4: [rows][k] in [-127, 127]
  float *scale;           // [rows]: x = scale * q8
  int32_t *sums;          // [rows][k/32]: sums of q8 over 32 values
  int32_t *totals;        // [rows]: sums of q8
};

}  // extern "C"

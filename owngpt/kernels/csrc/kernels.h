// What one instruction set offers. Python reads the table through owngpt/kernels/abi.py, which mirrors it.
#pragma once

#include "decoder_abi.h"

extern "C" {

struct Kernels {
  const char *isa;
  // out[rows][w.n] = x[rows][k] * w, with the threads of OpenMP's pool. `k` is the true size, w.n the padded one.
  void (*product)(const Weight *w, const float *x, int64_t rows, int64_t k, float *out, int32_t threads);
  // out[w.k] = row n of w.
  void (*embed_row)(const Weight *w, int64_t n, float *out);
  // Bytes of scratch memory that `forward` needs for a step of that many tokens; `logits` needs no more for its rows.
  int64_t (*scratch_bytes)(const Decoder *decoder, int64_t num_tokens);
  // One step: reads tokens, writes keys and values, and hidden states after the final norm.
  void (*forward)(const Decoder *decoder, const Step *step);
  // out[rows][head.n] from hidden[rows][width].
  void (*logits)(const Decoder *decoder, const float *hidden, int64_t rows, int64_t width, float *out,
                 uint8_t *scratch, int32_t num_threads);
};

// The table of the named instruction set, of the best one for null; null where this CPU or build lacks it.
__attribute__((visibility("default"))) const Kernels *owngpt_kernels(const char *isa);

// The digest of the sources that this library was built of; see setup.py.
__attribute__((visibility("default"))) const char *owngpt_sources();

}  // extern "C"

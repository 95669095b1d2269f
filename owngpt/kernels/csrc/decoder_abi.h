// A whole decoder, and one step of it, as Python describes them to the kernels.
#pragma once

#include "abi.h"

extern "C" {

enum Activation : int32_t { SILU = 0, GELU = 1, GELU_TANH = 2, RELU = 3, CLAMPED_SWIGLU = 4 };

struct Layer {
  const float *input_norm, *post_attention_norm;  // [hidden]
  const float *pre_mlp_norm, *post_mlp_norm;      // [hidden], Gemma only: then post_attention_norm follows attention
  const float *q_norm, *k_norm;                   // [head_dim], or null
  const float *sinks;                             // [heads], or null
  Weight qkv, o;
  Weight gate_up, down;     // of a dense layer
  Weight router;            // of a mixture of experts
  const Weight *experts;    // [experts][2]: gate_up, down; null: a dense layer
  int64_t window;           // 0: none
  int64_t rope;             // which table; -1: none
};

struct Decoder {
  int64_t num_layers, hidden, intermediate, heads, kv_heads, head_dim, block_size;
  int64_t num_experts, experts_per_token, expert_size;
  int32_t is_router_normalized;   // the weights of the chosen experts sum to 1
  int32_t is_softmax_of_chosen;   // softmax over the chosen only (gpt-oss)
  int32_t activation;
  int32_t is_kv_f32;              // float32 keys and values, else bfloat16
  float norm_eps, attention_scale, embedding_scale, logit_softcap;  // softcap 0: none
  float swiglu_alpha, swiglu_limit;
  const float *norm;
  const Layer *layers;
  Weight embedding, head;
};

// T new tokens of S sequences, laid end to end.
struct Step {
  int64_t num_tokens, num_sequences;
  const int64_t *tokens, *positions, *slots;  // [T]
  const int64_t *query_starts;                // [S + 1]
  const int64_t *const *block_tables;         // [S]
  const float *const *rope_cos;               // by table: [position][head_dim / 2]
  const float *const *rope_sin;
  void *kv;
  float *out;        // [T][hidden padded to 32]: after the final norm
  uint8_t *scratch;  // scratch_bytes(decoder, T), 64-byte aligned
  int64_t num_threads;
  const int64_t *wanted;  // [num_wanted], ascending: the rows whose hidden states are asked for. In the last layer the
  int64_t num_wanted;     // others leave their keys and values only, and in `out` whether these are finite
};

}  // extern "C"

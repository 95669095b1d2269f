  // A mixture of experts. Part of `Forward`. An expert sees its tokens in one product; each token adds what its experts
  // say in the order of their numbers, so its sum does not depend on the other tokens.

  void choose(const Layer &layer, int64_t t) {
    int64_t k = d.experts_per_token;
    const float *logits = b.router + t * layer.router.n;
    int32_t *chosen = b.chosen + t * k;
    float *weights = b.expert_weights + t * k;
    for (int64_t i = 0; i < k; i++) {  // the best ones; of equals the first
      int32_t best = -1;
      for (int32_t e = 0; e < d.num_experts; e++) {
        bool is_taken = false;
        for (int64_t j = 0; j < i; j++) is_taken |= chosen[j] == e;
        if (!is_taken && (best < 0 || logits[e] > logits[best])) best = e;
      }
      chosen[i] = best;
      weights[i] = logits[best];
    }
    float top = weights[0], sum = 0;
    if (d.is_softmax_of_chosen || d.is_router_normalized) {
      for (int64_t i = 0; i < k; i++) sum += expf(weights[i] - top);
    } else {
      for (int64_t e = 0; e < d.num_experts; e++) sum += expf(logits[e] - top);
    }
    for (int64_t i = 0; i < k; i++) weights[i] = expf(weights[i] - top) / sum;
  }

  // One thread: which rows each expert gets.
  void assign_members() {
    __builtin_memset(b.member_counts, 0, d.num_experts * sizeof(int32_t));
    for (int64_t i = 0; i < tokens() * d.experts_per_token; i++) {
      int32_t expert = b.chosen[i];
      b.members[expert * tokens() + b.member_counts[expert]++] = (int32_t)i;
    }
  }

  void copy_row(const Rows &from, int64_t source, Rows &to, int64_t target, const Weight &weight) const {
    int64_t k = from.k;
    if (weight.format == F32) {
      __builtin_memcpy(to.f32 + target * k, from.f32 + source * k, k * 4);
    } else if (weight.format == BF16) {
      __builtin_memcpy(to.bf16 + target * k, from.bf16 + source * k, k * 2);
    } else {
      __builtin_memcpy(to.q8 + target * k, from.q8 + source * k, k);
      if (weight.format == INT4)
        __builtin_memcpy(to.sums + target * (k / 32), from.sums + source * (k / 32), k / 32 * 4);
      to.scale[target] = from.scale[source];
      to.totals[target] = from.totals[source];
    }
  }

  void run_expert(const Layer &layer, int64_t expert) {
    int64_t count = b.member_counts[expert], k = d.experts_per_token;
    const int32_t *members = b.members + expert * tokens();
    const Weight &gate_up = layer.experts[2 * expert], &down = layer.experts[2 * expert + 1];
    Range mine = share(count);
    for (int64_t i = mine.begin; i < mine.end; i++) copy_row(b.hidden, members[i] / k, b.gathered, i, gate_up);
    meet();
    gate_rows(gate_up, shaped(b.gathered, count, gate_up), down, d.expert_size);
    multiply(down, shaped(b.inner, count, down), b.y, b.x_width, false);
    meet();
    for (int64_t i = mine.begin; i < mine.end; i++) {
      float *x = b.x + members[i] / k * b.x_width, *y = b.y + i * b.x_width;
      f32x16 weight = splat(b.expert_weights[members[i]]);
      for (int64_t j = 0; j < d.hidden; j += 16) store(x + j, fma(load(y + j), weight, load(x + j)));
    }
    meet();
  }

  void mixture(const Layer &layer) {
    norm_rows(layer.post_attention_norm, layer.router);
    meet();
    multiply(layer.router, b.hidden, b.router, layer.router.n, false);
    meet();
    Range mine = share(tokens());
    for (int64_t t = mine.begin; t < mine.end; t++) {
      choose(layer, t);
      prepare_row(layer.experts[0], b.y + t * b.x_width, d.hidden, b.hidden, t);
    }
    meet();
#pragma omp master
    assign_members();
    meet();
    for (int64_t expert = 0; expert < d.num_experts; expert++)
      if (b.member_counts[expert]) run_expert(layer, expert);
  }

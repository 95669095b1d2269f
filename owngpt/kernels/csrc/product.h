// A whole product with its own scratch memory and threads: for tests, benchmarks and single linear layers.

// The rows as the product reads them, in memory of their own.
struct OwnRows : Rows {
  OwnRows(const Weight &w, int64_t count) : Rows{} {
    rows = count;
    k = w.k;
    const int64_t values = count * k;
    if (w.format == F32) {
      take(f32, values);
    } else if (w.format == BF16) {
      take(bf16, values);
    } else {
      take(q8, values);
      take(scale, count);
      take(sums, values / 32);
      take(totals, count);
    }
  }
  ~OwnRows() {
    void *all[] = {f32, bf16, q8, scale, sums, totals};
    for (void *p : all) free(p);
  }

 private:
  template <class T>
  static void take(T *&p, int64_t count) {
    p = (T *)aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64);
  }
};

static void product(const Weight *w, const float *x, int64_t rows, int64_t k, float *out, int32_t threads) {
  OwnRows own(*w, rows);
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), count = omp_get_num_threads(), panels = w->n / 16;
#pragma omp for
    for (int64_t r = 0; r < rows; r++) prepare_row(*w, x + r * k, k, own, r);
    matmul(*w, own, panels * thread / count * 16, panels * (thread + 1) / count * 16, out, w->n, false);
  }
}

static void embed(const Weight *w, int64_t n, float *out) { embed_row(*w, n, out); }

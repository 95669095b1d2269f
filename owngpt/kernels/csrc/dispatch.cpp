// Chooses the instruction set when the library is asked, from what the CPU says it has.
#include <string.h>

#include "kernels.h"

#define DECLARE(name)           \
  namespace name {              \
  extern const Kernels kernels; \
  }
DECLARE(avx512bf16)
DECLARE(avx512)
DECLARE(avx2)
DECLARE(plain)

namespace {

struct Choice {
  const Kernels *kernels;
  bool is_supported;
};

#if defined(__x86_64__)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

}  // namespace

extern "C" const Kernels *owngpt_kernels(const char *isa) {
  const Choice choices[] = {
#if defined(__x86_64__)
      {&avx512bf16::kernels, has_avx512() && __builtin_cpu_supports("avx512bf16")},
      {&avx512::kernels, has_avx512()},
      {&avx2::kernels, has_avx2()},
#endif
      {&plain::kernels, true},
  };
  for (const Choice &choice : choices)
    if (choice.is_supported && (!isa || !strcmp(isa, choice.kernels->isa))) return choice.kernels;
  return nullptr;
}

extern "C" const char *owngpt_sources() { return SOURCES; }

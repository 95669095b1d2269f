// AVX2 with FMA and F16C: Haswell, Zen and later.
#include "isa_begin.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#define ISA avx2
#define ISA_AVX2
#include "isa.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif

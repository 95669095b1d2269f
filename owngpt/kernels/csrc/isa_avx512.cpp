// AVX-512 with VNNI: Ice Lake, Zen 4 and later.
#include "isa_begin.h"

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma,f16c")
#endif

#define ISA avx512
#define ISA_AVX512
#include "isa.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif

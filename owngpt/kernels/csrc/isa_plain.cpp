// Any CPU: whatever the compiler's baseline has (SSE2 on x86-64, NEON on aarch64).
#include "isa_begin.h"

#define ISA plain
#include "isa.h"

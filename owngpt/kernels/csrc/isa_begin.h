// What the kernels take from the system. Included before any change of target, so that no inline function of these
// headers is compiled for an instruction set that another path's CPU may lack.
#pragma once

#include <math.h>
#include <omp.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels.h"

// Everything that is compiled once per instruction set. ISA names the set and its namespace.

namespace ISA {

#include "vec.h"
//
#include "dot.h"
//
#include "quantize.h"
//
#include "activation.h"
//
#include "matmul.h"
//
#include "embed.h"
//
#include "product.h"
//
#include "attention.h"
//
#include "decoder.h"

#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)
extern const Kernels kernels;
const Kernels kernels = {TEXT_OF(ISA), product, embed, scratch_bytes, forward, logits};

}  // namespace ISA

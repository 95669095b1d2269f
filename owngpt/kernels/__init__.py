"""The optional native kernels: packed weights, the compiled library, and how Python calls it."""

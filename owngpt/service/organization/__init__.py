"""People and rights: who comes in, and what is written down about it."""

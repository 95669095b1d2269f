"""The recipes that `benchmarks.training` compares: one file for each."""

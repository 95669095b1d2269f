"""Measuring answers and searches on examples."""

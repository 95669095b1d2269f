"""Measurements, with the scripts that make them."""

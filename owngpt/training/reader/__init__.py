"""Trains the reader: one encoder for Japanese and English that embeds, finds, answers and checks."""

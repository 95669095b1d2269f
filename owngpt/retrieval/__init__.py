"""Documents on the way in (text with positions, chunks, an index) and passages on the way out."""

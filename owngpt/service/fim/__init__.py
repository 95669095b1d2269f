"""Code completion: a prompt with a gap, and of what the model says the part that may stand in it."""

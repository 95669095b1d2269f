"""Whether an answer may be believed, and what may be shown: support, abstention, privacy."""

"""owngpt: a GPT platform that people run on their own machines."""

__version__ = "0.1.0"

"""`python -m owngpt` is `owngpt`."""

from owngpt.cli import main

main(prog_name="owngpt")

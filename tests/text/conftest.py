"""Property tests are the same in every run, and take the time that a busy machine needs."""

from hypothesis import settings

settings.register_profile("owngpt", derandomize=True, deadline=None)
settings.load_profile("owngpt")

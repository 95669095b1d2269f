"""Builds the optional native kernels; everything else about the package is in pyproject.toml.

The result is a plain C library that ctypes loads (owngpt/kernels/library.py): it needs neither Python's nor torch's
headers, so one wheel serves any torch. Without a C++ compiler the build goes on, and PyTorch does the work.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCES = Path("owngpt/kernels/csrc")
FILES = sorted((*SOURCES.glob("*.h"), *SOURCES.glob("*.cpp")))  # as in kernels/library.py


class BuildKernels(build_ext):
    """A library without a Python module's entry point."""

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return ["owngpt_kernels", "owngpt_sources"]

    def build_extension(self, ext: Extension) -> None:
        try:
            super().build_extension(ext)
        except Exception as error:
            self.warn(f"the native kernels were not built, PyTorch does their work: {error}")
            raise


kernels = Extension(
    "owngpt.kernels._native",
    sources=sorted(str(path) for path in SOURCES.glob("*.cpp")),
    depends=sorted(str(path) for path in SOURCES.glob("*.h")),
    language="c++",
    # What it was built of: library.py refuses a library that is older than its sources, whose results may be others.
    define_macros=[("SOURCES", f'"{hashlib.sha256(b"".join(path.read_bytes() for path in FILES)).hexdigest()}"')],
    # No contraction: a product and a sum are rounded one by one, the same on every instruction set.
    extra_compile_args=[
        *("-std=c++17", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-g0"),
        *("-Wno-psabi", "-Wno-uninitialized", "-Wno-maybe-uninitialized"),
    ],
    extra_link_args=["-fopenmp"],
    optional=True,
)

# MSVC has no GNU vectors, and Apple's compiler no OpenMP.
setup(ext_modules=[kernels] if sys.platform == "linux" else [], cmdclass={"build_ext": BuildKernels})

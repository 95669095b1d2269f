"""The tasks of `owngpt eval run`, by name. They lie in the package, so they are wherever owngpt is installed.

No item comes with the package that is anybody else's data: a task writes its own (grammar, arithmetic), reads the
Python library of this machine, or needs a folder of data or a corpus (`materials.py`).
"""

from __future__ import annotations

"""Text -> the terms that it is found by, the same for documents and queries.

English words lose their endings; Japanese, which has no spaces, becomes single characters and pairs of them; an
identifier is found whole and by its parts. A change of these rules is a new `ANALYSIS`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

ANALYSIS = 1
_RUNS = re.compile(r"[぀-ヿ㐀-䶿一-鿿々〆ー豈-﫿]+|[^\W_぀-ヿ㐀-䶿一-鿿豈-﫿]+")


def terms(text: str) -> Iterator[str]:
    """Every occurrence of every term, in order."""
    for match in _RUNS.finditer(unicodedata.normalize("NFKC", text).casefold()):
        run = match.group()
        if run[0] >= "぀":
            yield from run
            yield from (run[i : i + 2] for i in range(len(run) - 1))
        else:
            yield run

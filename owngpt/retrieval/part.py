"""Part: the chunks of some files as arrays, ready to be searched. Immutable; a store in memory is a few of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from owngpt.retrieval.dense import Matrix
from owngpt.retrieval.postings import Postings


def space(embedder: str, dimensions: int) -> str:
    """Which vectors can be compared with one another; "" for none."""
    return f"{embedder}, {dimensions}" if dimensions else ""


class FileVersion(NamedTuple):
    """A file as it was indexed once; indexed anew, it is another version."""

    file_id: str
    content: str


@dataclass(frozen=True, slots=True)
class Part:
    """Rows are chunks. All vectors are of one `space`; where that is "", there are none."""

    space: str
    files: tuple[FileVersion, ...]
    file_of: NDArray[np.int32]  # [num_rows], a place in `files`
    number_of: NDArray[np.int32]  # [num_rows], the chunk's number in its file
    postings: Postings
    matrix: Matrix | None

    def __len__(self) -> int:
        return len(self.file_of)

    @property
    def nbytes(self) -> int:
        """Of memory, without the names of the files."""
        vectors = self.matrix.nbytes if self.matrix else 0
        return self.file_of.nbytes + self.number_of.nbytes + self.postings.nbytes + vectors

    @staticmethod
    def joined(parts: Sequence[Part]) -> Part:
        """One part with the rows of all, which are of one space."""
        offsets = np.cumsum([0, *(len(part.files) for part in parts)])
        return Part(
            parts[0].space,
            tuple(file for part in parts for file in part.files),
            np.concatenate([part.file_of + np.int32(base) for part, base in zip(parts, offsets, strict=False)]),
            np.concatenate([part.number_of for part in parts]),
            Postings.joined([part.postings for part in parts]),
            Matrix.joined(matrices) if (matrices := [part.matrix for part in parts if part.matrix]) else None,
        )

    def only(self, is_kept: Callable[[FileVersion], bool]) -> Part:
        """Without the rows of the other files."""
        kept = self.of_files(is_kept)
        new_place = np.cumsum([is_kept(file) for file in self.files], dtype=np.int32) - np.int32(1)
        return Part(
            self.space,
            tuple(filter(is_kept, self.files)),
            new_place[self.file_of[kept]],
            self.number_of[kept],
            self.postings.only(kept),
            self.matrix.only(kept) if self.matrix else None,
        )

    def of_files(self, is_meant: Callable[[FileVersion], bool]) -> NDArray[np.bool_]:
        """[num_rows]: which chunks are of such files."""
        meant = np.fromiter(map(is_meant, self.files), np.bool_, len(self.files))
        return meant[self.file_of]

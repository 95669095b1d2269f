"""Fill in the middle: how each family of models marks the parts of a prompt that has a gap.

Knows tokens' names and the order that a family was trained on; does not know what is done with the prompt. Sources:
Bavarian et al. 2022 ("Efficient Training of Language Models to Fill in the Middle") for the orders, and each family's
own reference code for its marks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Order = Literal["prefix first", "suffix first", "no middle"]


class _Family(NamedTuple):
    """Names in the vocabulary. Of `repo`, `file` and `ends` those count that are there."""

    prefix: str
    suffix: str
    middle: str
    order: Order
    repo: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    has_path_inside: bool = False


_FAMILIES = (
    _Family(  # Qwen2.5-Coder, Qwen3, Granite 4, CodeGemma, Garlic
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        "prefix first",
        ("<|repo_name|>", "<|reponame|>"),
        ("<|file_sep|>", "<|filename|>", "<|file_separator|>"),
        ("<|fim_pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    ),
    _Family(  # StarCoder and StarCoder2, SmolLM, Granite Code: half of their examples have the suffix first
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        "suffix first",
        ("<repo_name>", "<reponame>"),
        ("<file_sep>", "<filename>"),
        ("<fim_pad>", "<|endoftext|>"),
        has_path_inside=True,
    ),
    _Family("▁<PRE>", "▁<SUF>", "▁<MID>", "suffix first", ends=("▁<EOT>",)),  # CodeLlama: likewise
    _Family("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "prefix first", ends=("<|EOT|>",)),  # DeepSeek-Coder
    _Family("[PREFIX]", "[SUFFIX]", "", "no middle"),  # Codestral
)


@dataclass(frozen=True, slots=True)
class FimMarks:
    """The ids of a vocabulary's marks. `middle` is None where the middle follows the prefix without one."""

    prefix: int
    suffix: int
    middle: int | None
    is_suffix_first: bool
    repo: int | None  # before a repository's name
    file: int | None  # before the path of a file
    has_path_inside: bool  # whether the path of the file with the gap stands behind the mark of its prefix
    ends: tuple[int, ...]  # what ends a middle, beside the model's own end tokens
    names: frozenset[str]  # all of them as text: where they stand in code they are no marks

    def arrange(self, prefix: Sequence[int], suffix: Sequence[int]) -> list[int]:
        """A prompt whose continuation is the middle.

        With the suffix first, the prefix is the beginning of the middle: as it grows, all before it stays the same.
        """
        if self.middle is None:
            return [self.suffix, *suffix, self.prefix, *prefix]
        if self.is_suffix_first:
            return [self.prefix, self.suffix, *suffix, self.middle, *prefix]
        return [self.prefix, *prefix, self.suffix, *suffix, self.middle]


def find_marks(token_to_id: Callable[[str], int | None], suffix_first: bool | None = None) -> FimMarks | None:
    """The marks of the first family that is in the vocabulary; None: it cannot fill gaps.

    `suffix_first` is what the checkpoint itself says of its order, where it says something.
    """
    for family in _FAMILIES:
        needed = [token_to_id(name) for name in (family.prefix, family.suffix, family.middle) if name]
        if None not in needed:
            marks = _marks(family, token_to_id)
            return marks if suffix_first is None else replace(marks, is_suffix_first=bool(suffix_first))
    return None


def _marks(family: _Family, token_to_id: Callable[[str], int | None]) -> FimMarks:
    names = [name for name in (family.prefix, family.suffix, family.middle) if name]
    optional = [name for name in (*family.repo, *family.file, *family.ends) if token_to_id(name) is not None]
    ids = {name: found for name in (*names, *optional) if (found := token_to_id(name)) is not None}
    return FimMarks(
        prefix=ids[family.prefix],
        suffix=ids[family.suffix],
        middle=ids.get(family.middle),
        is_suffix_first=family.order != "prefix first",
        repo=_first(family.repo, ids),
        file=_first(family.file, ids),
        has_path_inside=family.has_path_inside,
        ends=tuple(dict.fromkeys(ids.values())),
        names=frozenset(ids),
    )


def _first(names: Sequence[str], ids: dict[str, int]) -> int | None:
    return next((ids[name] for name in names if name in ids), None)

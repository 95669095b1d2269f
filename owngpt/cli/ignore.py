"""What `.gitignore` files leave out: their patterns, as git reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Rule(NamedTuple):
    """One line. It is matched against a path from the folder of its file on."""

    pattern: re.Pattern[str]
    is_exception: bool
    is_for_folders: bool


class Rules(NamedTuple):
    """The lines of one file. `folder` is where it lies: "" for the root, else it ends with /."""

    folder: str
    rules: Sequence[Rule]


def read_rules(folder: str, lines: Iterable[str]) -> Rules:
    """A whole file; blank lines and comments say nothing."""
    found = (_rule(line) for line in lines)
    return Rules(folder, [rule for rule in found if rule is not None])


def is_ignored(path: str, files: Sequence[Rules], *, is_folder: bool) -> bool:
    """By the last rule that fits, in the innermost file that has one. `files`: outermost first, all above `path`."""
    for folder, rules in reversed(files):
        rest = path.removeprefix(folder)
        for rule in reversed(rules):
            if (is_folder or not rule.is_for_folders) and rule.pattern.fullmatch(rest):
                return not rule.is_exception
    return False


def _rule(line: str) -> Rule | None:
    text = re.sub(r"(?<!\\)[ \t]+$", "", line.rstrip("\r\n"))
    is_exception = text.startswith("!")
    text = text.removeprefix("!")
    is_for_folders = text.endswith("/")
    text = text.rstrip("/")
    if not text or line.startswith("#"):
        return None
    start = "" if "/" in text else "(?:.*/)?"  # without a slash it fits at any depth
    try:
        pattern = re.compile(start + _regex(text.removeprefix("/")), re.DOTALL)
    except re.error:  # a class that makes no sense fits nothing, as in git
        return None
    return Rule(pattern, is_exception, is_for_folders)


_PARTS = re.compile(
    r"(?P<any>(?:^|(?<=/))\*\*/)|(?P<all>(?<=/)\*\*$)|(?P<star>\*+)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?[^\]]*)\]|\\(?P<escaped>.)|(?P<plain>.)",
    re.DOTALL,
)


def _regex(text: str) -> str:
    """A glob as a regular expression: `*` stops at a slash, `**` between slashes is any number of folders."""
    return "".join(_part(found) for found in _PARTS.finditer(text))


def _part(found: re.Match[str]) -> str:
    if found["any"]:
        return "(?:.*/)?"
    if found["all"]:
        return ".+"
    if found["star"]:
        return "[^/]*"
    if found["one"]:
        return "[^/]"
    if found["set"]:
        members = found["set"].replace("\\", "").replace("]", r"\]").replace("[", r"\[").replace("^", r"\^")
        return f"(?!/)[{'^' if found['not'] else ''}{members}]"
    return re.escape(found["escaped"] or found["plain"])

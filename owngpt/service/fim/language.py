"""Which language a file is written in: by its name, or, where a client does not send one, by what stands in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from owngpt.service.fim.lexis import Lexis


@dataclass(frozen=True, slots=True)
class Language:
    """What completion has to know of a language."""

    name: str
    lexis: Lexis
    comment: str = "#"  # begins a line of comment
    suffixes: tuple[str, ...] = ()
    has_colon_blocks: bool = False  # a line that opens a block ends with a colon
    ends: tuple[str, ...] = ()  # words that close a block on a line of their own


_C = Lexis(("//",), (("/*", "*/"),), ("'", '"'), ("`",))
_HASH = r"(?<!\S)#"  # not in ${#x} or in a colour
_C_SUFFIXES = (
    *(".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".json5", ".jsonc", ".css", ".scss", ".less"),
    *(".java", ".kt", ".scala", ".go", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".cu", ".cs", ".swift"),
    *(".dart", ".php", ".groovy", ".proto", ".zig", ".v", ".sv"),
)
PYTHON = Language(
    "python", Lexis(("#",), (), ("'", '"'), ('"""', "'''")), suffixes=(".py", ".pyi", ".pyw"), has_colon_blocks=True
)
JSON = Language("json", Lexis(strings=('"',)), "//", (".json", ".ipynb", ".webmanifest", ".geojson"))
TOML = Language("toml", Lexis(("#",), (), ("'", '"'), ('"""', "'''")), suffixes=(".toml",))
PLAIN = Language("plain", Lexis(), suffixes=(".md", ".txt", ".rst", ".html", ".xml", ".vue", ".svelte", ".tex"))
LANGUAGES = (
    PYTHON,
    JSON,
    TOML,
    PLAIN,
    Language("c", _C, "//", _C_SUFFIXES),
    Language("rust", Lexis(("//",), (("/*", "*/"),), (), ('"',), (r"'(?:\\.|[^\\'\n])'",)), "//", (".rs",)),
    Language("shell", Lexis((_HASH,), (), (), ("'", '"')), "#", (".sh", ".bash", ".zsh"), ends=("fi", "done", "esac")),
    Language("ruby", Lexis((_HASH,), (), ("'", '"')), "#", (".rb", ".ex", ".exs", ".jl", ".cr"), ends=("end",)),
    Language("lua", Lexis(("--",), (("--[[", "]]"), ("[[", "]]")), ("'", '"')), "--", (".lua",), ends=("end",)),
    Language("sql", Lexis(("--",), (("/*", "*/"),), (), ("'", '"')), "--", (".sql",)),
    Language("yaml", Lexis((_HASH,), (), ("'", '"')), "#", (".yaml", ".yml"), has_colon_blocks=True),
    Language("ini", Lexis((_HASH,)), "#", (".ini", ".cfg", ".conf", ".env", ".mk", ".dockerfile", ".r", ".pl", ".tf")),
    Language("haskell", Lexis(("--",), (("{-", "-}"),), ('"',)), "--", (".hs", ".elm")),
    Language("lisp", Lexis((";",), (), (), ('"',)), ";", (".lisp", ".el", ".clj", ".scm", ".rkt")),
)
_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
_BY_NAME = {"makefile": ".mk", "dockerfile": ".dockerfile", "gemfile": ".rb", "rakefile": ".rb", ".bashrc": ".sh"}
_PYTHON_LINE = re.compile(
    r"^[ \t]*(?:(?:async )?def \w+\(|class \w+[^\n]*:[ \t]*$|from [\w.]+ import |import [\w.]+(?: as \w+)?[ \t]*$|"
    r"(?:if|elif|for|while|with|except|try|else)\b[^{;\n]*:[ \t]*$|@\w[\w.]*(?:\([^\n]*\))?[ \t]*$)",
    re.MULTILINE,
)
_TOML_LINE = re.compile(r"^\[\[?[\w.\"-]+\]\]?[ \t]*$", re.MULTILINE)
_C_LINE = re.compile(r"[;{}]$", re.MULTILINE)


def language_of(path: str | None, text: str) -> Language:
    """The language of a file; without a path, of a text."""
    if path is not None:
        name = PurePosixPath(path.replace("\\", "/")).name.lower()
        return _BY_SUFFIX.get(_BY_NAME.get(name, PurePosixPath(name).suffix), PLAIN)
    if text.lstrip()[:1] in ("{", "[") and '"' in text:
        return JSON
    if _PYTHON_LINE.search(text):
        return PYTHON
    if _TOML_LINE.search(text):
        return TOML
    return _BY_SUFFIX[".c"] if _C_LINE.search(text) else PLAIN

"""Who may import whom: the table in docs/architecture.md, held by reading the code."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "owngpt"
NOUNS = ("owngpt.types", "owngpt.errors", "owngpt.waiting", "owngpt.__version__")

# room -> what of owngpt it may import, beside itself. `__main__`, `cli` and `build` may import everything.
OWN: dict[str, tuple[str, ...]] = {
    "__init__": (),
    "types": (),
    "errors": (),
    "waiting": (),
    "config": ("owngpt.errors",),
    "server": ("owngpt.service", "owngpt.store", "owngpt.text", "owngpt.config", *NOUNS),
    "service": (
        "owngpt.engine.client",
        "owngpt.retrieval",
        "owngpt.trust",
        "owngpt.text",
        "owngpt.store",
        "owngpt.config",
        *NOUNS,
    ),
    "retrieval": ("owngpt.store", "owngpt.text", *NOUNS),
    "trust": ("owngpt.text", *NOUNS),
    "evals": ("owngpt.retrieval", "owngpt.trust", "owngpt.store", "owngpt.text", *NOUNS),
    "training": ("owngpt.model", "owngpt.text", *NOUNS),
    "engine": ("owngpt.model", "owngpt.kernels", "owngpt.text", "owngpt.config", *NOUNS),
    "model": ("owngpt.kernels", *NOUNS),
    "kernels": NOUNS,
    "store": NOUNS,
    "text": NOUNS,
}
# room -> libraries it must not import.
HTTP = ("starlette", "uvicorn", "httptools", "uvloop", "pydantic", "httpx")
FOREIGN: dict[str, tuple[str, ...]] = {
    "config": ("torch", *HTTP),
    "server": ("torch", "sqlite3", "llguidance", "jinja2", "tokenizers", "safetensors"),
    "service": ("torch", "sqlite3", *HTTP),
    "retrieval": ("torch", *HTTP),
    "trust": ("torch", *HTTP),
    "evals": ("torch", *HTTP),
    "training": HTTP,
    "engine": ("sqlite3", *HTTP),
    "model": ("sqlite3", "llguidance", "jinja2", *HTTP),
    "kernels": ("sqlite3", "llguidance", "jinja2", *HTTP),
    "store": ("torch", *HTTP),
    "text": ("torch", "sqlite3", *HTTP),
}
STANDARD_LIBRARY_ONLY = ("types", "errors", "waiting", "config")
# What must work, and start fast, without torch: checked by really importing it.
TORCH_FREE = (
    "owngpt.cli",
    "owngpt.config",
    "owngpt.engine.client",
    "owngpt.engine.scheduler",
    "owngpt.engine.blocks",
    "owngpt.engine.prefix_cache",
    "owngpt.server",
    "owngpt.service",
    "owngpt.store",
    "owngpt.text",
)


class Import(NamedTuple):
    """Module `source` imports `target`, at `line`."""

    source: str
    target: str
    line: int

    @property
    def room(self) -> str:
        return room_of(self.source)


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_in(source: str, module: str) -> Iterator[Import]:
    """Every import, also inside functions; `from a import b` counts as `a.b`, so that submodules are seen."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno} imports relatively; write the whole name"
            yield from (Import(module, f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def all_imports() -> list[Import]:
    return [found for file in modules() for found in imports_in(file.read_text("utf-8"), module_name(file))]


def starts_with(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def breaches(imports: list[Import]) -> list[str]:
    return [f"{found.source}:{found.line} imports {found.target}" for found in imports if not is_allowed(found)]


def is_allowed(found: Import) -> bool:
    if starts_with(found.target, ("owngpt",)):
        return found.room not in OWN or starts_with(found.target, (f"owngpt.{found.room}", *OWN[found.room]))
    if found.room in STANDARD_LIBRARY_ONLY:
        return found.target.partition(".")[0] in (*sys.stdlib_module_names, "__future__")
    return not starts_with(found.target, FOREIGN.get(found.room, ()))


def test_nothing_points_back() -> None:
    assert breaches(all_imports()) == []


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(module_name(file)) for file in modules()}
    assert rooms <= {*OWN, "__main__", "cli", "build"}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("owngpt.server.asgi", "import torch"),
        ("owngpt.server.asgi", "from owngpt.engine import core"),
        ("owngpt.server.asgi", "from owngpt.engine.core import ThreadEngine"),
        ("owngpt.service.app", "from starlette.requests import Request"),
        ("owngpt.engine.core", "from owngpt.service.app import Caller"),
        ("owngpt.text.chat", "def f():\n    import torch.nn"),
        ("owngpt.store.db", "from owngpt.config import Settings"),
        ("owngpt.types", "import numpy"),
        ("owngpt.training.loop", "from owngpt.server import asgi"),
    ],
)
def test_the_test_can_fail(module: str, line: str) -> None:
    assert len(breaches(list(imports_in(line, module)))) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("owngpt.text.grammar", "import llguidance, jinja2.sandbox"),
        ("owngpt.service.generate", "from owngpt.engine.client import EngineClient"),
        ("owngpt.cli.serve", "import torch, uvicorn"),
        ("owngpt.build", "from owngpt.engine.core import ThreadEngine"),
    ],
)
def test_what_is_allowed_passes(module: str, line: str) -> None:
    assert breaches(list(imports_in(line, module))) == []


SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    if "torch" in sys.modules:
        sys.exit(f"{name} imports torch")
"""


def test_torch_stays_out_of_what_does_not_need_it() -> None:
    """Also not by way of another module: all are imported in a fresh interpreter, which looks for torch."""
    free = [name for name in map(module_name, modules()) if starts_with(name, TORCH_FREE)]
    assert "owngpt.server.auth" in free
    done = subprocess.run([sys.executable, "-c", SCRIPT, *free], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

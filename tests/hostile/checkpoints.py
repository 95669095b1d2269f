"""Checkpoints that hostile tests serve: one that behaves, an encoder, and some with a template of a stranger."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.fakes.engine import CHATML
from tests.fakes.model import edit_config, encoder_checkpoint, family_checkpoint
from tests.fakes.text import byte_tokenizer

CONTEXT = 1024  # tokens that the tiny decoder takes; its tokenizer has one token per byte
VOCAB_SIZE = 266  # ids that its tokenizer knows

HOSTILE_TEMPLATES = {
    "loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "bomb": "{% set x = namespace(s='x' * 1024) %}{% for i in range(99) %}{% set x.s = x.s ~ x.s %}{% endfor %}",
    "escape": "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages.append.__globals__ }}",
    "recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
}


def make_models(root: Path) -> dict[str, Path]:
    """Name -> folder: `tiny`, `tiny-embed`, and one decoder per hostile template."""
    tiny = family_checkpoint("qwen3", root / "tiny")
    edit_config(tiny, max_position_embeddings=CONTEXT)
    byte_tokenizer(tiny, chat_template=CHATML)
    embed = root / "tiny-embed"
    encoder_checkpoint(embed, "bert", "mean")
    byte_tokenizer(embed, special=(), marks=())
    edit_config(embed, vocab_size=100)
    hostile = {name: _with_template(tiny, root / name, text) for name, text in HOSTILE_TEMPLATES.items()}
    return {"tiny": tiny, "tiny-embed": embed, **hostile}


def _with_template(source: Path, folder: Path, template: str) -> Path:
    shutil.copytree(source, folder)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder

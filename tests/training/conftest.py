"""A corpus of a few hundred documents, made here, and what is trained on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from owngpt.model.config import ModelConfig
from owngpt.model.transformer import Transformer
from owngpt.training.corpus import build_corpus
from owngpt.training.dial import shape
from owngpt.training.documents import Document
from owngpt.training.export import export_model
from owngpt.training.sources import Source
from owngpt.training.sources.arithmetic import read_arithmetic
from owngpt.training.tokenizer import sample_texts, save_tokenizer, train_tokenizer
from owngpt.types import Message, Tool, ToolCall

ENGLISH = "The {n} small cats sat on mat number {n} and looked at the blue sky."
JAPANESE = "{n}匹の小さな猫が青い空を見ていました。"
CODE = "def double_{n}(value):\n    total = value + value\n    return total + {n}\n"


def _texts(name: str, pattern: str) -> Iterator[Document]:
    return (Document(name, f"{name}-{n}", pattern.format(n=n)) for n in range(1000))


def _calls() -> Iterator[Document]:
    tool = Tool("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
    for n in range(40):
        messages = (
            Message("user", f"Add {n}."),
            Message("assistant", tool_calls=(ToolCall("call_0", "add", f'{{"a": {n}}}'),)),
            Message("tool", str(n + 1)),
            Message("assistant", f"It is {n + 1}."),
        )
        yield Document("calls", str(n), messages=messages, tools=(tool,))


TINY_SOURCES = (
    Source("cats", "english", ".", "CC0-1.0", "nobody", lambda _: _texts("cats", ENGLISH), 1, 1),
    Source("neko", "japanese", ".", "CC0-1.0", "nobody", lambda _: _texts("neko", JAPANESE), 1, 1),
    Source("doubles", "code", ".", "CC0-1.0", "nobody", lambda _: _texts("doubles", CODE), 1, 1),
    Source("calls", "chat", ".", "CC0-1.0", "nobody", lambda _: _calls(), 1, 1),
    Source("arithmetic", "chat", "", "CC0-1.0", "nobody", lambda _: read_arithmetic(), 1, 3),
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus")
    build_corpus(out, out, sources=TINY_SOURCES, progress=lambda line: None)
    return out


@pytest.fixture(scope="session")
def tokenizer_folder(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(sample_texts(corpus, 50_000), 450), out)
    return out


@pytest.fixture(scope="session")
def base(tokenizer_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights, in which two heads share a key."""
    out = tmp_path_factory.mktemp("base")
    values = {
        **shape(1, 512, 512),
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    model = Transformer(ModelConfig.from_dict(values))
    model.init_weights(0, std=0.1)
    export_model(out, values, {name: weight.detach() for name, weight in model.named_parameters()}, tokenizer_folder)
    return out


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Bit-for-bit comparisons hold for a fixed number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

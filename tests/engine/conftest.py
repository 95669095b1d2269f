"""Fixtures for the engine's tests."""

import pytest

from owngpt.kernels.library import Library, load
from owngpt.text.tokenizer import Tokenizer
from tests.fakes.text import byte_tokenizer


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """Byte-level: token i is byte i."""
    return byte_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="session")
def library() -> Library:
    """The best native kernels of this CPU."""
    library = load()
    if library is None:
        pytest.skip("the native kernels are not built")
    return library

"""Which kernels a process gets, and what it is told when there are none."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
import torch

from owngpt.kernels.library import FOLDER, ISAS, choose, load

built = pytest.mark.skipif(load() is None, reason="the native kernels are not built")


def copy_of_library(folder: Path) -> Path:
    shutil.copytree(FOLDER / "csrc", folder / "csrc")
    for path in FOLDER.glob("_native*"):
        shutil.copy(path, folder)
    return folder


def test_switched_off_means_none(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert choose("off") is None
    assert "OWNGPT_KERNELS=off" in caplog.text


def test_without_a_compiler_there_are_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert choose("", tmp_path) is None
    assert "not built (that takes g++ at installation); PyTorch does their work" in caplog.text


@built
def test_the_best_is_the_default(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        library = choose("")
    best = next(isa for isa in ISAS if load(isa) is not None)
    assert library is not None
    assert library.isa == best
    assert f"native kernels: {best}" in caplog.text


@built
def test_plain_runs_everywhere() -> None:
    library = choose("plain")
    assert library is not None
    assert library.isa == "plain"


@built
def test_an_unknown_instruction_set_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert choose("amx9") is None
    assert "OWNGPT_KERNELS=amx9: this CPU has no such kernels" in caplog.text


@built
def test_a_library_of_other_sources_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its structures may be laid out differently: calling it would read the wrong memory."""
    folder = copy_of_library(tmp_path)
    with (folder / "csrc" / "abi.h").open("a") as header:
        header.write("// changed\n")
    assert load(folder=folder) is None
    assert "builds it anew" in caplog.text


@built
@pytest.mark.parametrize("header", ["abi.h", "matmul.h"])
def test_a_library_without_its_sources_is_refused(
    header: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = copy_of_library(tmp_path)
    (folder / "csrc" / header).unlink()
    assert load(folder=folder) is None
    assert "builds it anew" in caplog.text


@pytest.mark.parametrize("content", [b"", b"no library"])
def test_a_file_that_is_no_library_of_ours_is_refused(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"_native{EXTENSION_SUFFIXES[0]}").write_bytes(content)
    assert load(folder=tmp_path) is None
    assert "cannot be loaded" in caplog.text


def test_a_library_that_is_too_old_to_say_what_it_is_of_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = next(Path(torch.__file__).parent.glob("_C.*.so"))  # any will do
    shutil.copy(other, tmp_path / f"_native{EXTENSION_SUFFIXES[0]}")
    assert load(folder=tmp_path) is None
    assert "cannot be loaded" in caplog.text


@built
def test_kernels_share_the_threads_of_torch() -> None:
    """A second OpenMP library would be a second pool of threads on the same cores."""
    program = (
        "from owngpt.kernels.library import load; load();"
        "print(len({line.split()[-1] for line in open('/proc/self/maps') if 'libgomp' in line}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "1\n"

"""Public question answering data turned into search: the paragraph that a question was written for is what to find.

Nothing of it is in this repository: the folder `data` of `--shared` has it. Only the questions on the handbook are
ours (`handbook.jsonl`): each names the file and the section that answers it.
"""

from __future__ import annotations

import gzip
import json
import random
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from owngpt.evals.beir import Document, Question, SearchData
from owngpt.retrieval.chunk import Count, chunk
from owngpt.retrieval.document import Block
from owngpt.retrieval.document import Document as Text
from owngpt.retrieval.parse import parse
from owngpt.types import Chunk

HELD_OUT = slice(2_000, 4_000)  # of the shuffled questions; the first 2,000 chose the constants of the ranking
TEXTS = ("standardebooks_24", "us_gov_docs", "docs_ja", "aozora_20_authors", "peps")
PIECE = 1_000  # characters of a chunk where only speed is measured


def squad(shared: Path) -> SearchData:
    """SQuAD 1.1 (English), paragraphs of Wikipedia."""
    with gzip.open(shared / "data/qa/squad11_dev_part.json.gz", "rt", encoding="utf-8") as file:
        return _paragraphs("squad", [json.load(file)])


def jaquad(shared: Path) -> SearchData:
    """JaQuAD (Japanese), paragraphs of Wikipedia."""
    with tarfile.open(shared / "data/qa/jaquad_train.tar.gz") as archive:
        members = sorted((member for member in archive if member.name.endswith(".json")), key=lambda found: found.name)
        return _paragraphs("jaquad", [json.loads(_read(archive, member)) for member in members])


def handbook(shared: Path, count: Count) -> SearchData:
    """The handbook of 18F (English), in the chunks that the server would make of it; `count` counts their tokens."""
    sections: dict[tuple[str, str], list[str]] = {}
    documents: list[Document] = []
    with tarfile.open(shared / "data/kb/18f_handbook.tar.gz") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name.startswith("pages/") and name.endswith(".md"):
                text = parse(PurePosixPath(name).name, _read(archive, member))
                chunks = chunk(text, count=count, owner=name)
                documents += [Document(one.id, one.text, " / ".join(one.headings)) for one in chunks]
                for title, start, end in _sections(text):
                    found = [one.id for one in chunks if _overlaps(one, start, end)]
                    sections.setdefault((name, title), found)
    lines = (Path(__file__).parent / "handbook.jsonl").read_text("utf-8").splitlines()
    questions = [_question(str(i), json.loads(line), sections) for i, line in enumerate(lines)]
    return SearchData("handbook", documents, questions)


def texts(shared: Path) -> Iterator[str]:
    """Some hundred thousand different pieces of text in both languages, to fill an index with."""
    for data in (jaquad(shared), squad(shared)):
        yield from (document.text for document in data.documents)
    for name in TEXTS:
        with tarfile.open(shared / f"data/text/{name}.tar.gz") as archive:
            for member in archive:
                if member.isfile():
                    text = _read(archive, member).decode("utf-8", "replace").replace("\0", "")
                    yield from (text[i : i + PIECE] for i in range(0, len(text), PIECE))


def _paragraphs(name: str, files: Sequence[dict[str, Any]]) -> SearchData:
    documents: list[Document] = []
    questions: list[tuple[str, str]] = []
    for article in (article for file in files for article in file["data"]):
        for paragraph in article["paragraphs"]:
            identity = f"{name}-{len(documents)}"
            documents.append(Document(identity, paragraph["context"]))
            questions += [(asked["question"], identity) for asked in paragraph["qas"]]
    random.Random(7).shuffle(questions)
    held_out = [Question(str(i), text, {answer: 1}) for i, (text, answer) in enumerate(questions[HELD_OUT])]
    return SearchData(name, documents, held_out)


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, f"{member.name} is no file"
    return file.read()


def _sections(text: Text) -> Iterator[tuple[str, int, int]]:
    """Title, start and end of each section, its subsections included."""
    headings: list[Block] = [block for block in text.blocks if block.kind == "heading"]
    for i, heading in enumerate(headings):
        ends = (later.start for later in headings[i + 1 :] if later.level <= heading.level)
        yield text.text[heading.start : heading.end].lstrip("# ").strip(), heading.start, next(ends, len(text.text))


def _overlaps(one: Chunk, start: int, end: int) -> bool:
    """Whether at least half of the section, or of the chunk, is in the other."""
    shared = min(one.end, end) - max(one.start, start)
    return shared >= min(len(one.text), end - start) / 2


def _question(identity: str, line: dict[str, str], sections: dict[tuple[str, str], list[str]]) -> Question:
    """Some titles hold a link; their beginning is enough."""
    titles = [title for file, title in sections if file == line["file"] and title.startswith(line["section"])]
    title = line["section"] if line["section"] in titles else titles[0]
    return Question(identity, line["question"], dict.fromkeys(sections[line["file"], title], 1))

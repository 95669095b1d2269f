"""How many pages a minute get into a vector store: a PDF of real prose, read, cut, embedded and committed.

    python -m benchmarks.ingest [--shared ../shared] [--pages 1000] [--write]

Pages are full: 40 lines, some 3,000 characters of English or 1,300 of Japanese. Beside the clock stands the time of the
processor, of all threads and processes: it does not change with what else runs on the machine, so pages by it are what
two cores would take in if they had nothing else to do.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import click
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen import canvas

from benchmarks.machine import hardware, keep
from benchmarks.retrieval_data import jaquad, squad
from owngpt.build import Source, load_model, open_app
from owngpt.config import Settings
from owngpt.model.bundled import minilm_folder
from owngpt.service.app import App
from owngpt.service.callers import caller_of_key
from owngpt.service.models import Models
from owngpt.service.vector_stores import FileOrder, create
from owngpt.store.files import NewFile
from owngpt.store.vector_store_files import VectorStoreFile

LINES = 40  # of a page
WIDTHS = {"English": 78, "Japanese": 34}  # characters of a line
FONT = "HeiseiMin-W3"


class Result(NamedTuple):
    """Of one file. Seconds."""

    language: str
    pages: int
    characters: int
    chunks: int
    reading: float
    total: float
    processor: float

    def row(self) -> str:
        """As a line of the table."""
        by_clock, by_processor = (f"{self.pages / seconds * 60:,.0f}" for seconds in (self.total, self.processor / 2))
        return (
            f"| {self.language} | {self.pages:,} | {self.characters / self.pages:,.0f} | {self.chunks:,} |"
            f" {self.reading:.1f} s | {self.total:.0f} s | {by_clock} | {self.processor:.0f} s | {by_processor} |"
        )


@click.command()
@click.option("--shared", default="../shared", type=click.Path(path_type=Path), help="Where the folder `data` lies.")
@click.option("--pages", default=1_000, show_default=True)
@click.option("--write", is_flag=True, help="Keep the table in benchmarks/results.")
def main(shared: Path, pages: int, write: bool) -> None:
    """Print the table."""
    if not (shared / "data/qa").is_dir():
        raise click.ClickException(f"{shared / 'data/qa'} is not there; --shared names the folder that has it")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    prose = {"English": squad(shared), "Japanese": jaquad(shared)}
    results = [measure(name, pages, [document.text for document in data.documents]) for name, data in prose.items()]
    head = (
        "| language | pages | characters a page | chunks | reading | in all | pages/min | processor | pages/min by it |"
    )
    table = "\n".join([f"# Ingest\n\n{hardware()}\n", head, "|---|" + "---|" * 8, *(one.row() for one in results)])
    click.echo(table)
    if write:
        keep("ingest", table)


def measure(language: str, pages: int, texts: list[str]) -> Result:
    """One file into a new store of a new server."""
    data = pdf(pages, WIDTHS[language], texts, language)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), api_key="sk-own-0123456789abcdef0123456789")
        app, _ = open_app(settings)
        app.loaded = Models([load_model(Source("all-MiniLM-L6-v2", minilm_folder()), settings, None)])
        try:
            return asyncio.run(_ingest(app, language, pages, data))
        finally:
            app.close()


async def _ingest(app: App, language: str, pages: int, data: bytes) -> Result:
    caller = caller_of_key(app.keys.list()[0])
    with app.files.blobs.writer(len(data)) as writer:
        writer.write(data)
        file = app.files.add(NewFile(caller.project_id, "pages.pdf", "assistants"), writer.end())
    before, start, reading = _processor_seconds(), time.monotonic(), 0.0
    store = create(app, caller, "", "", {}, None, [FileOrder(file.id)]).id

    def found() -> VectorStoreFile:
        return app.vector_store_files.find(caller.project_id, store, file.id)

    app.wake()
    while (now := found()).status == "in_progress":
        reading = reading or (time.monotonic() - start if now.stage == "embedding" else 0.0)
        await asyncio.sleep(0.1)
    assert now.status == "completed", now
    total = time.monotonic() - start
    chunks = app.chunks.list(store, file.id)
    await app.drain()
    app.ingest.close()  # what its processes took is known when they have ended
    return Result(language, pages, chunks[-1].end, len(chunks), reading, total, _processor_seconds() - before)


def _processor_seconds() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def pdf(pages: int, width: int, texts: list[str], language: str) -> bytes:
    """Full pages."""
    pdfmetrics.registerFont(UnicodeCIDFont(FONT))
    data = BytesIO()
    sheet = canvas.Canvas(data, pagesize=A4)
    lines = _lines(texts, width, is_spaced=language == "English")
    for _ in range(pages):
        sheet.setFont("Times-Roman" if language == "English" else FONT, 11)
        text = sheet.beginText(60, 780)
        for _ in range(LINES):
            text.textLine(next(lines))
        sheet.drawText(text)
        sheet.showPage()
    sheet.save()
    return data.getvalue()


def _lines(texts: list[str], width: int, *, is_spaced: bool) -> Iterator[str]:
    """Of about `width` characters, again and again."""
    while True:
        for text in texts:
            plain = text.encode("cp1252", "ignore").decode("cp1252") if is_spaced else text
            rest = " ".join(plain.split())
            while len(rest) > width:
                cut = rest.rfind(" ", 0, width) if is_spaced else width
                yield rest[: max(1, cut)]
                rest = rest[max(1, cut) :].lstrip()
            yield rest


if __name__ == "__main__":
    main()

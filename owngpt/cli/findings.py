"""Findings: what `owngpt ask` has to say, as JSON for programs and as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.style import Style
from rich.text import Text

from owngpt.cli.chat import without_controls
from owngpt.cli.library import Library
from owngpt.service.chat import ChatEvent
from owngpt.service.grounded import GroundedEvent, GroundedVerdict
from owngpt.text.output import ContentDelta
from owngpt.trust.answering import Question, Source
from owngpt.types import Citation, Passage, Verdict

_SHOWN = 400  # characters of a passage that came near


@dataclass(frozen=True, slots=True)
class Place:
    """Characters of a document, counted in its text: `text` is what stands from `start` to `end`."""

    file: str  # its path in the folder
    path: str
    page: int | None  # from 1; None: this kind of document has no pages
    line: int | None  # from 1; None: the file is not text
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A cited place, and how well it bears out the sentence that cites it. `index`: where in the answer it stands."""

    index: int
    place: Place
    support: float | None


@dataclass(frozen=True, slots=True)
class FileReport:
    """What has become of a file. `notes` are what its reader has to say: "pages 3-5 have no text layer"."""

    file: str
    path: str
    status: Literal["read", "unread"]
    reason: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or that there is none."""

    question: str
    model: str
    mode: str
    text: str
    verdict: GroundedVerdict
    citations: Sequence[Quote]
    nearest: Sequence[Place]  # of an abstention

    @property
    def is_abstained(self) -> bool:
        return self.verdict.verdict is Verdict.ABSTAINED


def collect(library: Library, folder: Path, question: str, mode: str, events: Sequence[GroundedEvent]) -> Answer:
    """The events of an answer, put together."""
    verdict = next(event for event in events if isinstance(event, GroundedVerdict))
    chats = [event for event in events if isinstance(event, ChatEvent)]
    text = "".join(delta.text for event in chats for delta in event.deltas if isinstance(delta, ContentDelta))
    quotes = [_quote(library, folder, event) for event in events if isinstance(event, Citation)]
    nearest = list(_nearest(library, folder, question, verdict.hints))
    return Answer(question, library.model, mode, text, verdict, quotes, nearest)


def file_reports(library: Library, folder: Path) -> list[FileReport]:
    """Every file that was seen, by name."""
    reports = [FileReport(name, str(folder / name), "unread", why, ()) for name, why in library.unread.items()]
    for file in library.files():
        why = {"completed": None, "in_progress": "it was not read to its end; ask again"}
        reason = why.get(file.status, (file.error_message or file.status).removeprefix(f"{file.filename}: "))
        status: Literal["read", "unread"] = "read" if reason is None else "unread"
        reports.append(FileReport(file.filename, str(folder / file.filename), status, reason, file.notes))
    return sorted(reports, key=lambda report: report.file)


def answer_json(answer: Answer) -> dict[str, Any]:
    """The fields of `--json`."""
    verdict = answer.verdict
    return {
        "question": answer.question,
        "model": answer.model,
        "mode": answer.mode,
        "verdict": verdict.verdict.value,
        "support": round(verdict.support, 4),
        "threshold": round(verdict.threshold, 4),
        "answer": answer.text,
        "citations": [_quote_json(quote) for quote in answer.citations],
        "nearest": [asdict(place) for place in answer.nearest],
    }


def file_json(report: FileReport) -> dict[str, Any]:
    """An entry of `files`."""
    return {**asdict(report), "notes": list(report.notes)}


def show_answer(answer: Answer, console: Console) -> None:
    """For people: the answer with numbers, the places that they stand for, and what it is worth."""
    console.print(_numbered(answer), soft_wrap=True)
    if answer.is_abstained:
        _show_nearest(answer, console)
    for number, quote in enumerate(answer.citations, 1):
        console.print(Text.assemble(f"\n[{number}] ", _where(quote.place)), soft_wrap=True)
        if not answer.verdict.is_extract:
            console.print(Text(f'    "{_line(quote.place.text)}"', "italic"), soft_wrap=True)
    support, threshold = answer.verdict.support, answer.verdict.threshold
    worth = f"\n{answer.verdict.verdict.value} (support {support:.2f}; answers are given from {threshold:.2f} on)"
    console.print(Text(worth, "dim"), soft_wrap=True)


def show_files(reports: Sequence[FileReport], console: Console) -> None:
    """A line each."""
    for report in reports:
        reason = f": {without_controls(report.reason)}" if report.reason else ""
        notes = f" ({without_controls('; '.join(report.notes))})" if report.notes else ""
        name = Text(without_controls(report.file), Style(link=Path(report.path).as_uri()))
        status = Text(f"{report.status:<7}", "green" if report.status == "read" else "red")
        console.print(Text.assemble(status, name, reason, notes), soft_wrap=True)


def _show_nearest(answer: Answer, console: Console) -> None:
    console.print("\nThe nearest passages:" if answer.nearest else "\nNothing in the documents comes near.")
    for place in answer.nearest:
        console.print(Text.assemble("\n    ", _where(place)), soft_wrap=True)
        console.print(Text(f"    {_line(place.text)[:_SHOWN]}", "dim"), soft_wrap=True)


def _numbered(answer: Answer) -> Text:
    """The answer with `[1]` where its first citation stands, and so on."""
    text, shown = answer.text, Text()
    done = 0
    for number, quote in enumerate(answer.citations, 1):
        shown.append(without_controls(text[done : quote.index]))
        shown.append(f" [{number}]", "bold")
        done = quote.index
    return shown.append(without_controls(text[done:]))


def _where(place: Place) -> Text:
    """File, page or line, and characters; the name opens the file where the terminal can."""
    link = Path(place.path).as_uri() + (f"#page={place.page}" if place.page else "")
    spot = f", page {place.page}" if place.page else f", line {place.line}" if place.line else ""
    name = Text(without_controls(place.file), Style(link=link, bold=True))
    return Text.assemble(name, f"{spot}, characters {place.start}-{place.end}")


def _line(text: str) -> str:
    return without_controls(" ".join(text.split()))


def _quote(library: Library, folder: Path, citation: Citation) -> Quote:
    place = Place(
        citation.filename,
        str(folder / citation.filename),
        citation.page,
        library.line_of(citation.file_id, citation.start),
        citation.start,
        citation.end,
        citation.quote,
    )
    return Quote(citation.index, place, citation.support)


def _nearest(library: Library, folder: Path, question: str, passages: Sequence[Passage]) -> Iterator[Place]:
    """Of each passage the sentence that comes nearest to an answer, and what follows it."""
    ranked = Question(question, [Source(passage.text) for passage in passages]).rank()
    for number, passage in enumerate(passages):
        start, end = next((one.span for one in ranked if one.source == number), (0, 0))
        end = max(end, min(len(passage.text), start + _SHOWN))
        yield Place(
            passage.filename,
            str(folder / passage.filename),
            passage.page_at(passage.start + start),
            library.line_of(passage.file_id, passage.start + start),
            passage.start + start,
            passage.start + end,
            passage.text[start:end],
        )


def _quote_json(quote: Quote) -> dict[str, Any]:
    place = asdict(quote.place)
    support = None if quote.support is None else round(quote.support, 4)
    return {"quote": place.pop("text"), **place, "index": quote.index, "support": support}

"""Much said in few words: dialogues, abstracts, what a customer wants, and copy from facts.

Where there is no clean set the shorter side is put together from annotations: statements of travel-desk talks for
Japanese dialogues, service calls for English ones.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from owngpt.text.prompts import as_dialogue, describe, restate, shorten, summarize
from owngpt.training.documents import Document, keys_of
from owngpt.training.sources.archives import lines_of, members_of, text_of
from owngpt.training.sources.talk import answered, any_variant

MAX_DIALOGUE = 1500  # characters; more would not fit a training row
_NOISE = re.compile(r"\s*\{\w+\}\s*")  # {disfmarker}, {vocalsound}
_CUSTOMER = re.compile(r"【customer】[がは]?")


def read_mts_dialog(path: Path) -> Iterator[Document]:
    """Talks of a doctor and a patient, with the paragraph of the record that was written of each."""
    for row in csv.DictReader(StringIO(text_of(path))):
        dialogue = re.sub(r" *\r?\n", "\n", row["dialogue"]).strip()
        summary = " ".join(row["section_text"].split())
        if len(dialogue) <= MAX_DIALOGUE and 15 <= len(summary) <= 500:
            group = f"{path.name}/{row['ID']}"
            asked = summarize(dialogue, "en", variant=any_variant(Random(group)))
            yield Document("mts-dialog", group, messages=answered(asked, summary))


def read_qmsum(path: Path) -> Iterator[Document]:
    """Short parts of meetings, with what the minutes say of them."""
    for member in members_of(path, r"\.json$"):
        meeting = json.loads(member.data)
        turns = meeting["meeting_transcripts"]
        for item in meeting["specific_query_list"]:
            spans = [turns[int(first) : int(last) + 1] for first, last in item["relevant_text_span"]]
            said = [(turn["speaker"], spoken(turn["content"])) for span in spans for turn in span]
            dialogue = as_dialogue([(who, what) for who, what in said if len(what) > 8])
            if 0 < len(dialogue) <= MAX_DIALOGUE:
                asked = summarize(dialogue, "en", variant=any_variant(Random(dialogue)))
                yield Document("qmsum", Path(member.path).stem, messages=answered(asked, item["answer"].strip()))


def spoken(text: str) -> str:
    """A transcript's line without its marks of noise and its spaces before punctuation."""
    return re.sub(r" +([.,?!'])", r"\1", _NOISE.sub(" ", text)).strip()


def read_scitldr(path: Path) -> Iterator[Document]:
    """Abstracts of papers in one sentence."""
    for index, item in enumerate(map(json.loads, lines_of(path))):
        abstract, target = " ".join(item["source"]), item["target"][0].strip()
        if len(abstract) <= 1600 and target:
            asked = shorten(abstract, "en", variant=any_variant(Random(index)))
            yield Document("scitldr", f"{path.name}/{index}", messages=answered(asked, target))


def read_scud(path: Path) -> Iterator[Document]:
    """Japanese travel-desk talks: what the customer's last words say, and the talk as a whole from such statements."""
    for member in members_of(path, r"^data/supplemental/scud/.*\.jsonl$"):
        for item in map(json.loads, member.text.splitlines()):
            statements = [_CUSTOMER.sub("お客様は", text).strip() for text in item["targets"]]
            if item["correct"] and item["purpose"] != "test" and any(statements):
                group = re.sub(r"\.[\d-]+$", "", item["sid"]["id"])
                yield _scud(group, item, statements)


def _scud(group: str, item: Any, statements: Sequence[str]) -> Document:
    rng, keys = Random(item["sid"]["id"]), keys_of("".join(item["sources"]))
    turns = [("店員" if turn["name"] == "agent" else "お客様", turn["text"]) for turn in item["context"]]
    dialogue = as_dialogue([*turns, ("お客様", "".join(item["sources"]))])
    if rng.random() < 0.5:
        asked, wanted = restate(dialogue, "ja", variant=any_variant(rng)), "\n".join(statements)
        return Document("scud", group, messages=answered(asked, wanted), keys=keys)
    asked = summarize(dialogue, "ja", variant=any_variant(rng))
    return Document("scud", group, messages=answered(asked, "".join(statements)), keys=keys)


def read_sgd_summaries(path: Path) -> Iterator[Document]:
    """Dialogues of an assistant, summarized from the service calls in them."""
    for member in members_of(path, r"^train/.*\.json$"):
        for dialogue in json.loads(member.data):
            turns, group = dialogue["turns"], dialogue["dialogue_id"]
            said = [("User" if turn["speaker"] == "USER" else "Agent", turn["utterance"]) for turn in turns]
            text = as_dialogue(said)
            calls = [frame["service_call"] for turn in turns for frame in turn["frames"] if "service_call" in frame]
            if calls and len(text) <= MAX_DIALOGUE:
                asked = summarize(text, "en", variant=any_variant(Random(group)))
                yield Document("sgd-summaries", group, messages=answered(asked, _calls_in_words(calls)))


def _calls_in_words(calls: Sequence[Any]) -> str:
    wanted = []
    for call in calls:
        what = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", call["method"]).lower()
        details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in call["parameters"].items())
        wanted.append(f"{what} ({details})" if details else what)
    return f"The user asked the agent to {', and then to '.join(dict.fromkeys(wanted))}."


def read_e2e(path: Path) -> Iterator[Document]:
    """Facts about restaurants, and a sentence for guests."""
    for row in csv.DictReader(StringIO(text_of(path))):
        facts = re.sub(r"(\w+)\[([^\]]*)\]", r"\1: \2", row["mr"])
        asked = describe(facts, "en", variant=any_variant(Random(row["ref"])))
        yield Document("e2e", row["mr"], messages=answered(asked, row["ref"].strip()))

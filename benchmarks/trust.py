"""Fits what decides whether an answer is given, and measures it: `python -m benchmarks.trust [--data ../shared/data]`.

From public questions and statements (SQuAD, JaQuAD; FoolMeTwice, BEGIN, ASDC, JSICK) to the numbers in
`owngpt/trust/weights.json` (with `--write`) and to the tables of `results/`. Parts are divided by document: weights are
fitted on one half of the documents, thresholds calibrated on a quarter, and what is reported is of
the last quarter.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.statements import Labelled, statements
from owngpt.build import load_models
from owngpt.config import EngineConfig, Settings
from owngpt.evals.fitting import auc, best_f1, f1_at, fit_logistic
from owngpt.evals.questions import Asked, Paragraph, asked
from owngpt.service.evidence import embed_with, reads
from owngpt.service.workers import Workers
from owngpt.trust.answering import COMPARED, Candidate, Question, Sentence, Source
from owngpt.trust.calibrate import Calibration, Outcome, applied, calibrate
from owngpt.trust.extract import best
from owngpt.trust.language import Language
from owngpt.trust.logistic import Logistic
from owngpt.trust.support import CombinedScorer, features
from owngpt.trust.terms import terms
from owngpt.trust.vectors import Embed, Vector, cosine

WEIGHTS = Path(__file__).parents[1] / "owngpt" / "trust" / "weights.json"
RATE, CONFIDENCE = 0.05, 0.95
RAGFLOW = 0.2  # its default similarity threshold, which all but a few of retrieved passages reach
NUM_PARAGRAPHS = 3_000  # of one language
BATCH = 32  # questions whose sentences are embedded at once
HARD = "FoolMeTwice"  # written to fool whoever looks at words: for testing only
_SAMPLES: dict[Language, str] = {"en": "When was the tower built?", "ja": "塔はいつ建てられましたか。"}
LANGUAGES: tuple[Language, ...] = ("en", "ja")


class Sentences(NamedTuple):
    """A question, its likeliest sentences with what speaks for them, and which of them hold the answer."""

    asked: Asked
    question: Question
    features: Mapping[Sentence, Mapping[str, float]]
    is_answer: Mapping[Sentence, bool]


def squad(data: Path) -> list[Paragraph]:
    """SQuAD 1.1's."""
    with gzip.open(data / "qa" / "squad11_dev_part.json.gz") as file:
        return list(_paragraphs(json.load(file)))


def jaquad(data: Path) -> list[Paragraph]:
    """JaQuAD's, the first ones."""
    found: list[Paragraph] = []
    with tarfile.open(data / "qa" / "jaquad_train.tar.gz") as archive:
        for name in sorted(name for name in archive.getnames() if name.endswith(".json")):
            file = archive.extractfile(name)
            assert file is not None
            found += _paragraphs(json.load(file))
    return found


def _paragraphs(document: Any) -> Iterator[Paragraph]:
    for article in document["data"]:
        for paragraph in article["paragraphs"]:
            questions = [
                (q["question"], q["answers"][0]["text"], q["answers"][0]["answer_start"]) for q in paragraph["qas"]
            ]
            yield Paragraph(article["title"], paragraph["context"], questions)


async def looked_at(examples: Sequence[Asked], embed: Embed | None) -> list[Sentences]:
    """The likeliest sentences of each, by the weights that are there now; embedded, where something embeds."""
    found = []
    for begin in range(0, len(examples), BATCH):
        some = [_first(example) for example in examples[begin : begin + BATCH]]
        texts = [text for question, kept in some for text in (question.text, *(sentence.text for sentence in kept))]
        vectors = iter(await embed(texts)) if embed is not None else None
        for example, (question, kept) in zip(examples[begin:], some, strict=False):
            similarities = {} if vectors is None else _similarities(kept, vectors)
            rows = {sentence: question.features(sentence, similarities.get(sentence)) for sentence in kept}
            is_answer = {sentence: _holds(sentence, example.answer) for sentence in kept}
            found.append(Sentences(example, question, rows, is_answer))
    return found


def _first(example: Asked) -> tuple[Question, list[Sentence]]:
    """The sentences that are likeliest by their words."""
    question = Question(example.question, [Source(text) for text in example.passages])
    places = {(one.source, one.span) for one in question.rank()[:COMPARED]}
    return question, [sentence for sentence in question.sentences if (sentence.source, sentence.span) in places]


def _similarities(kept: Sequence[Sentence], vectors: Iterator[Vector]) -> dict[Sentence, float]:
    """Takes the question's vector and one for each sentence."""
    asked = next(vectors)
    return {sentence: cosine(asked, next(vectors)) for sentence in kept}


def _holds(sentence: Sentence, answer: tuple[int, int] | None) -> bool:
    return answer is not None and sentence.source == answer[0] and sentence.span.start <= answer[1] < sentence.span.end


def fit_answers(found: Sequence[Sentences]) -> dict[str, object]:
    """Does a sentence answer a question?"""
    train = [one for one in found if one.asked.part == "train"]
    rows = [row for one in train for row in one.features.values()]
    return fit_logistic(rows, [one.is_answer[sentence] for one in train for sentence in one.features])


def ranked(one: Sentences, answers: Logistic) -> list[Candidate]:
    """The sentences by these weights, the likeliest first."""
    found = [Candidate(s.source, s.span, answers(row)) for s, row in one.features.items()]
    return sorted(found, key=lambda candidate: -candidate.probability)


def is_right(one: Sentences, order: Sequence[Candidate]) -> bool:
    """Whether what would be shown, one to three sentences, holds the answer where it stands in its paragraph."""
    shown = {(candidate.source, candidate.span) for candidate in best(order, one.asked.passages)}
    return any(holds and (s.source, s.span) in shown for s, holds in one.is_answer.items())


def fit_confidence(found: Sequence[Sentences], answers: Logistic) -> dict[str, object]:
    """Is what would be shown a right answer?"""
    rows, labels = [], []
    for one in found:
        if one.asked.part == "train" and (order := ranked(one, answers)):
            rows.append(one.question.contrast(order))
            labels.append(is_right(one, order))
    return fit_logistic(rows, labels)


def outcomes(found: Sequence[Sentences], part: str, answers: Logistic, confidence: Logistic | None) -> list[Outcome]:
    """What would be answered, how sure of it; without weights of confidence, as sure as the search's score says."""
    result = []
    for one in found:
        if one.asked.part != part:
            continue
        order = ranked(one, answers)
        if not order:
            result.append(Outcome(0.0, False))
            continue
        sure = similarity(one.asked) if confidence is None else confidence(one.question.contrast(order))
        result.append(Outcome(sure, is_right(one, order)))
    return result


def similarity(one: Asked) -> float:
    """A score of the search from 0 to 1: the best passage's, as a part of the highest that its question could have."""
    return one.scores[0] / (one.scores[0] + 2.0 * max(1, terms(one.question).total())) if one.scores else 0.0


def row(name: str, found: Calibration) -> str:
    """A line of the table."""
    wrong = found.num_false / max(1, found.num_answered)
    return (
        f"| {name} | {found.threshold:.3f} | {found.num_questions} | {found.answered:.1%} | {found.rate:.1%} |"
        f" {found.bound:.1%} | {wrong:.1%} |"
    )


def report_answers(language: str, found: Sequence[Sentences], answers: Logistic, confidence: Logistic) -> Calibration:
    """Calibrate, and print what holds for the documents that were not looked at, beside thresholds on the search."""
    own = calibrate(outcomes(found, "calibrate", answers, confidence), rate=RATE, confidence=CONFIDENCE)
    by_score = calibrate(outcomes(found, "calibrate", answers, None), rate=RATE, confidence=CONFIDENCE)
    test, test_by_score = (outcomes(found, "test", answers, weights) for weights in (confidence, None))
    print(row(f"{language}: calibrated support", applied(test, own.threshold)))
    print(row(f"{language}: search score, calibrated the same way", applied(test_by_score, by_score.threshold)))
    print(row(f"{language}: search score over {RAGFLOW}, as RAGFlow does", applied(test_by_score, RAGFLOW)))
    print(row(f"{language}: always answered", applied(test, 0.0)))
    return own


class Weighed(NamedTuple):
    """A statement with what speaks for it and against it: by words alone, and (of some) by vectors, too."""

    labelled: Labelled
    words: Mapping[str, float]
    vectors: Mapping[str, float] | None


async def weighed(labelled: Sequence[Labelled], num_embedded: int, embed: Embed | None) -> list[Weighed]:
    """All of them, in an order of their own; the first `num_embedded` are embedded."""
    shuffled = random.Random(0).sample(labelled, len(labelled))
    found = []
    for number, one in enumerate(shuffled):
        vectors = None
        if embed is not None and number < num_embedded:
            similarity = await CombinedScorer(embed).similarity(one.statement)
            vectors = features(one.statement, similarity)
        found.append(Weighed(one, features(one.statement), vectors))
    return found


def fit_supports(found: Sequence[Weighed]) -> dict[str, object]:
    """Does evidence bear a statement out?"""
    train = [one for one in found if one.labelled.is_train and one.labelled.source != HARD]
    embedded = [one for one in train if one.vectors is not None]
    rows = [*(one.words for one in train), *(one.vectors or {} for one in embedded)]
    return fit_logistic(rows, [one.labelled.is_supported for one in [*train, *embedded]])


def report_supports(language: str, found: Sequence[Weighed], scorer: Logistic) -> None:
    """By data set: lexical overlap alone, and combined; F1 at the threshold that is best on the training part."""
    for name in sorted({one.labelled.source for one in found}):
        mine = [one for one in found if one.labelled.source == name]
        scores_of: tuple[Callable[[Weighed], float], ...] = (
            lambda one: one.words["covered"],
            lambda one: scorer(one.words),
        )
        cells = measured(mine, scores_of[0]) + measured(mine, scores_of[1])
        embedded = [one for one in mine if one.vectors is not None]
        cells += measured(embedded, lambda one: one.words["covered"]) if embedded else ["", ""]
        cells += measured(embedded, lambda one: scorer(one.vectors or {})) if embedded else ["", ""]
        print(f"| {language}: {name} | {sum(not one.labelled.is_train for one in mine)} | {' | '.join(cells)} |")


def measured(found: Sequence[Weighed], score: Callable[[Weighed], float]) -> list[str]:
    """AUC and F1 on the part that was not trained on."""
    train, test = ([one for one in found if one.labelled.is_train is part] for part in (True, False))
    cut, _ = best_f1([score(one) for one in train], [one.labelled.is_supported for one in train])
    scores, labels = [score(one) for one in test], [one.labelled.is_supported for one in test]
    return [f"{auc(scores, labels):.3f}", f"{f1_at(scores, labels, cut):.3f}"]


def embedder(folder: Path, language: Language) -> Embed | None:
    """The bundled embedding model, for a language that it reads."""
    engine = EngineConfig(kv_memory=8 * 1024**2, threads=1)
    served = load_models(Settings(data_dir=folder, engine=engine)).embedders[0]
    return embed_with(served, Workers()) if reads(served, _SAMPLES[language]) else None


def main() -> None:
    """Fit, calibrate, report; with `--write`, put the numbers where they are used."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--questions", type=int, default=6_000, help="of each language")
    parser.add_argument("--embedded", type=int, default=500, help="for training, with vectors; 0: words alone")
    parser.add_argument("--statements", type=int, default=1_500, help="of each language that are embedded")
    parser.add_argument("--only", choices=["answers", "support"])
    parser.add_argument("--language", choices=LANGUAGES, action="append", help="of answers  [default: all]")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    document = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    if arguments.only != "support":
        print("| answers | threshold | questions | answered | false answers | 95% bound | of answers false |")
        print("|---|---|---|---|---|---|---|")
        for language in arguments.language or LANGUAGES:
            fit_language(language, arguments, document)
            if arguments.write:
                write(document)
    if arguments.only != "answers":
        fit_support(arguments, document)
    if arguments.write:
        write(document)


def fit_support(arguments: argparse.Namespace, document: dict[str, Any]) -> None:
    """What decides on statements; into the document."""
    print("\n| support | statements | AUC overlap | F1 overlap | AUC words | F1 words |", end="")
    print(" AUC overlap of the embedded | F1 | AUC with vectors | F1 |\n|---|---|---|---|---|---|---|---|---|---|")
    labelled = statements(arguments.data)
    for language in LANGUAGES:
        mine = [one for one in labelled if one.language == language]
        with tempfile.TemporaryDirectory() as folder:
            embed = embedder(Path(folder), language) if arguments.statements else None
            found = asyncio.run(weighed(mine, arguments.statements, embed))
        fitted = fit_supports(found)
        document["logistic"][f"supports.{language}"] = fitted
        report_supports(language, found, logistic_of(fitted))


def fit_language(language: Language, arguments: argparse.Namespace, document: dict[str, Any]) -> None:
    """What decides on answers in one language; into the document."""
    paragraphs = (squad if language == "en" else jaquad)(arguments.data)[:NUM_PARAGRAPHS]
    examples = list(asked(paragraphs, arguments.questions))
    with tempfile.TemporaryDirectory() as folder:
        embed = embedder(Path(folder), language) if arguments.embedded else None
        plain = asyncio.run(looked_at(examples, None))
        train = [example for example in examples if example.part == "train"][: arguments.embedded]
        others = [example for example in examples if example.part != "train"]
        vectors = asyncio.run(looked_at([*train, *others], embed)) if embed else []
    fitted = fit_answers([*plain, *vectors])
    answers = logistic_of(fitted)
    sure = fit_confidence([*plain, *vectors], answers)
    document["logistic"] |= {f"answers.{language}": fitted, f"confidence.{language}": sure}
    found = report_answers(f"{language}, words alone", plain, answers, logistic_of(sure))
    document["thresholds"][f"{language}.words"] = threshold_json(found)
    if vectors:
        found = report_answers(f"{language}, with vectors", vectors, answers, logistic_of(sure))
    document["thresholds"][f"{language}.vectors"] = threshold_json(found)


def logistic_of(fitted: Mapping[str, Any]) -> Logistic:
    return Logistic(fitted["bias"], fitted["weights"])


def threshold_json(found: Calibration) -> dict[str, object]:
    return {
        "threshold": round(found.threshold, 6),
        "num_questions": found.num_questions,
        "false_answers": round(found.rate, 4),
        "bound": round(found.bound, 4),
        "confidence": found.confidence,
        "answered": round(found.answered, 4),
    }


def write(document: Mapping[str, Any]) -> None:
    """Only numbers, and where they come from."""
    made = {
        **document,
        "made": f"{date.today().isoformat()} by benchmarks/trust.py",
        "from": "answers, confidence, thresholds: SQuAD 1.1 (en), JaQuAD (ja); supports: BEGIN (en), ASDC, JSICK (ja), "
        "and sentences of SQuAD and JaQuAD that were left alone or falsified",
    }
    WEIGHTS.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Thresholds of projects: from which support on an answer is given, and on what that rests."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from owngpt.store.db import Database


@dataclass(frozen=True, slots=True)
class Threshold:
    """A calibrated threshold. Rates are parts of all questions, 0 to 1."""

    threshold: float
    num_questions: int  # that it was calibrated on
    false_answers: float  # of these, those that would be answered wrongly
    bound: float  # that this rate stays under, ...
    confidence: float  # ... with this probability
    answered: float  # of these questions, those that would be answered
    created_at: int = 0  # Unix seconds


class Thresholds:
    """One for each project and language: the latest that was put."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, project_id: str, language: str, threshold: Threshold) -> None:
        """From now on it holds."""
        with self._database.write() as transaction:
            transaction.execute(
                "INSERT INTO thresholds (id, project_id, language, threshold, num_questions, false_answers, bound,"
                " confidence, answered, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    f"thr_{secrets.token_hex(16)}",
                    project_id,
                    language,
                    threshold.threshold,
                    threshold.num_questions,
                    threshold.false_answers,
                    threshold.bound,
                    threshold.confidence,
                    threshold.answered,
                    threshold.created_at or int(time.time()),
                ),
            )

    def get(self, project_id: str, language: str) -> Threshold | None:
        """The project's own; None if it has none."""
        rows = self._database.read(
            "SELECT threshold, num_questions, false_answers, bound, confidence, answered, created_at FROM thresholds"
            " WHERE project_id = ? AND language = ? ORDER BY created_at DESC, id DESC LIMIT 1",
            (project_id, language),
        )
        return Threshold(**rows[0]) if rows else None

"""Thresholds of projects, in both databases."""

from __future__ import annotations

from dataclasses import replace

from owngpt.store.db import Database
from owngpt.store.thresholds import Threshold, Thresholds

FOUND = Threshold(0.4, 200, 0.02, 0.049, 0.95, 0.6, created_at=10)


def test_the_latest_of_a_project_and_language_holds(database: Database) -> None:
    thresholds = Thresholds(database)
    assert thresholds.get("proj_a", "en") is None
    thresholds.put("proj_a", "en", FOUND)
    thresholds.put("proj_a", "en", replace(FOUND, threshold=0.5, created_at=20))
    thresholds.put("proj_b", "en", replace(FOUND, threshold=0.9))
    found = thresholds.get("proj_a", "en")
    assert found == replace(FOUND, threshold=0.5, created_at=20)
    assert thresholds.get("proj_a", "ja") is None

"""Breath: long work pauses once a turn, and not more often."""

from __future__ import annotations

from owngpt.service.breath import PAUSE_SECONDS, TURN_SECONDS, Breath


def test_a_pause_ends_each_turn() -> None:
    now, pauses = [0.0], list[float]()
    pause = Breath(clock=lambda: now[0], sleep=pauses.append)
    for _ in range(100):
        now[0] += TURN_SECONDS / 10
        pause()
    assert pauses == [PAUSE_SECONDS] * 9

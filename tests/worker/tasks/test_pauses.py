"""Pauses grow for an execution that goes wrong again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.tasks import pauses
from worker.tasks.pauses import LONGEST_PAUSE, GrowingPauses

if TYPE_CHECKING:
    import pytest


def test_pauses_grow_for_each_execution() -> None:
    """The first time there is no pause; each further one is longer, up to the longest."""
    growing = GrowingPauses()

    assert [growing.next("a") for _ in range(5)] == [0, 0.5, 1, 2, 4]
    assert growing.next("b") == 0
    assert [growing.next("a") for _ in range(2000)][-1] == LONGEST_PAUSE


def test_old_errors_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """An execution that went wrong long ago, or before many others, begins anew."""
    growing = GrowingPauses()
    monkeypatch.setattr(pauses, "MOST_REMEMBERED", 2)
    for name in ("a", "b", "c"):
        growing.next(name)
    assert growing.next("a") == 0
    monkeypatch.setattr(pauses, "FORGOTTEN_SECONDS", -1.0)

    assert growing.next("a") == 0

"""A test that judges times runs while no other test runs."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until
from tests.support.turns import turn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Test:
    """A test of another process; it runs until it may end."""

    __test__ = False

    def __init__(self, *, alone: bool) -> None:
        self.runs, self.may_end = Event(), Event()
        self.thread = Thread(target=self._run, args=(alone,))
        self.thread.start()

    def _run(self, alone: bool) -> None:  # noqa: FBT001 - of a thread
        with turn(alone=alone):
            self.runs.set()
            self.may_end.wait(30)

    def end(self) -> None:
        self.may_end.set()
        self.thread.join(30)


@contextmanager
def runs(*, alone: bool) -> Iterator[Test]:
    """Begin a test, and end it with the block."""
    test = Test(alone=alone)
    try:
        yield test
    finally:
        test.end()


@pytest.fixture(name="run", autouse=True)
def _run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", uuid.uuid4().hex)


def test_tests_run_side_by_side() -> None:
    """Those that judge no times do not wait for each other."""
    with runs(alone=False) as first, runs(alone=False) as second:
        wait_until(first.runs.is_set)
        wait_until(second.runs.is_set)


def test_alone() -> None:
    """It waits for those that run, and whoever comes later waits for it."""
    with runs(alone=False) as before:
        wait_until(before.runs.is_set)
        with runs(alone=True) as alone:
            assert not alone.runs.wait(0.2)
            with runs(alone=False) as after:
                assert not after.runs.wait(0.2), "it would never be alone"
                before.end()
                wait_until(alone.runs.is_set)
                assert not after.runs.wait(0.2)
                alone.end()
                wait_until(after.runs.is_set)

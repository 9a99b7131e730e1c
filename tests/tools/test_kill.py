"""`make kill`: it kills the holder, and says after how long another worker went on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

from tools import kill
from tools.api import Api
from tools.stack import StackError

if TYPE_CHECKING:
    from collections import Counter

SLOW_SECONDS: Final = 20.0


class Service(Api):
    """An API and a stack whose execution moves to `other` at a kill, if there is another worker."""

    def __init__(self, other: str | None = "worker-2", fault: str = "") -> None:
        super().__init__("http://localhost")
        self._worker = "worker-1"
        self._other = other
        self._fault = fault
        self.seen_elsewhere = threading.Event()

    def state(self, id: str) -> dict[str, Any]:
        if self._worker == self._other:
            self.seen_elsewhere.set()
        return {"id": id, "worker": self._worker}

    def kill_command(self, name: str) -> str:
        return f"kill {name}"

    def kill(self, name: str) -> None:
        """Return, as `docker kill` does, after the execution was seen elsewhere."""
        if self._fault:
            raise StackError(f"{name}: {self._fault}")
        if self._other is not None:
            self._worker = self._other
            assert self.seen_elsewhere.wait(SLOW_SECONDS)

    def revive(self, name: str) -> None:
        """No action."""

    def step_starts(self, id: str) -> Counter[str] | None:
        """Nothing is kept."""

    def pending(self) -> list[str]:
        return []


@pytest.mark.alone
def test_the_time_is_not_that_of_the_command() -> None:
    """It counts until another worker has the execution, which is seen while the kill goes on."""
    service = Service()

    seconds = kill.kill(service, service, "job", "worker-1")

    assert seconds is not None
    assert seconds < SLOW_SECONDS


def test_without_another_worker_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it is said that none has it."""
    monkeypatch.setattr(kill, "CLAIM_SECONDS", 0.2)
    service = Service(other=None)

    assert kill.kill(service, service, "job", "worker-1") is None


def test_a_kill_that_fails_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reason is what is said."""
    monkeypatch.setattr(kill, "CLAIM_SECONDS", 600.0)
    service = Service(fault="no such container")

    with pytest.raises(StackError, match="no such container"):
        kill.kill(service, service, "job", "worker-1")

"""Steps that workers begin, read from their logs as they are written; and the deaths of holders."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import orjson

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.processes import Process

EVENT: Final = b'"step started"'
MOVED_SECONDS: Final = 30.0
"""Seconds in which another worker must have gone on with what a dead one held."""


@dataclass(frozen=True)
class Start:
    """A step that a worker has begun, in seconds since the epoch."""

    worker: str
    step: str
    at: float


class Starts:
    """All starts of the workers, of which `processes` returns those that there are now, by name."""

    def __init__(self, processes: Callable[[], Mapping[str, Process]]) -> None:
        self._processes = processes
        self._read: dict[Path, int] = {}
        self._found: defaultdict[str, list[Start]] = defaultdict(list)

    def of(self, id: str) -> list[Start]:
        """Return the starts of an execution so far, in order."""
        for name, process in self._processes().items():
            self._look(name, process.log)
        return sorted(self._found[id], key=lambda start: start.at)

    def holder(self, id: str) -> str:
        """Wait for the first start of an execution, and return the worker of the latest."""
        return wait_until(lambda: self.of(id), what=f"a start of {id}")[-1].worker

    def kill_holder(self, id: str) -> float:
        """Kill the worker that runs an execution; return the seconds to the next step elsewhere."""
        holder = self.holder(id)
        killed_at = time.time()
        self._processes()[holder].kill()
        return self.next_elsewhere(id, holder, killed_at) - killed_at

    def next_elsewhere(self, id: str, holder: str, after: float) -> float:
        """Wait until another worker has begun a step of it, and return when."""

        def later() -> list[Start]:
            return [each for each in self.of(id) if each.worker != holder and each.at > after]

        found = wait_until(later, seconds=MOVED_SECONDS, what=f"the next step of {id}")
        return found[0].at

    def _look(self, name: str, log: Path) -> None:
        with log.open("rb") as file:
            file.seek(self._read.get(log, 0))
            new = file.read()
        whole = new.rfind(b"\n") + 1
        self._read[log] = self._read.get(log, 0) + whole
        for line in new[:whole].splitlines():
            if EVENT in line:
                event = orjson.loads(line)
                at = datetime.fromisoformat(event["timestamp"]).timestamp()
                self._found[event["execution"]].append(Start(name, event["step"], at))

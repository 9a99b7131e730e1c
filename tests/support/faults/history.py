"""The history of a run on disk: a line of JSON for each event, for the checker to judge."""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.faults.checker import Event
    from tests.support.processes import Answer
    from tests.support.stack import Stack


def seconds(text: str) -> float:
    """Return a time of an answer or a log line in seconds."""
    return datetime.fromisoformat(text).timestamp()


class History:
    """Events in the order in which they were noted. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def note(self, kind: str, **what: Any) -> None:
        """Add an event; its time is now unless `what` has `at`."""
        line = json.dumps({"kind": kind, "at": time.time(), **what})
        with self._lock, self._path.open("a") as file:
            file.write(line + "\n")

    def note_read(self, id: str, answer: Answer) -> bool:
        """Add an answer of /wait if it is a state; return whether that is final."""
        if answer.status != 200:
            return False
        body = answer.body
        if body["done"]:
            body["ended_at"] = seconds(body["completed_at"])
        for step in body.get("steps", []):
            step["ended_at"] = seconds(step["ended"]) if step["ended"] else None
        return self.note_body(id, body)

    def note_body(self, id: str, body: dict[str, Any], **what: Any) -> bool:
        """Add a state whose times are seconds; return whether that is final."""
        self.note("read", id=id, body=body, **what)
        return bool(body["done"])

    def note_steps(self, stack: Stack, prefix: str) -> None:
        """Add what the workers' logs say of the steps of executions with this prefix."""
        for worker in stack.workers.values():
            for event in worker.events("step started"):
                if event["execution"].startswith(prefix):
                    at, step = seconds(event["timestamp"]), event["step"]
                    self.note(
                        "step", id=event["execution"], at=at, step=step, worker=event["process"]
                    )

    def events(self) -> Iterator[Event]:
        """Yield the events, one line after the other."""
        return events_of(self._path)


def events_of(path: Path) -> Iterator[Event]:
    """Yield the events of a history that was kept."""
    with path.open() as file:
        for line in file:
            yield json.loads(line)

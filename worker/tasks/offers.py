"""Offers: the server offers tasks to this worker, and they wait in its inbox to be claimed."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import orjson

STALE_SECONDS: Final = 4.0
"""A message older than this is not worth a claim: unless it was claimed, the server sends the task
again, with a higher counter, after the 5 s of `timeToClaim` in its configuration."""


@dataclass(frozen=True)
class Offer:
    """The server offers a task: run the execution from its start, or resume it."""

    kind: str
    task: str
    counter: int
    arrived_at: float = field(default_factory=time.monotonic)

    @property
    def execution(self) -> str:
        """The execution's id, from the task's: `__invoke:<id>` or `__resume:<id>:<awaited>`."""
        return self.task.split(":", 2)[1]


def parse(line: bytes) -> Offer | None:
    """Return the offer in a line of the event stream, or None: blank lines, comments, other events.

    Raises `ValueError` for a data line that is not as the server writes it.
    """
    if not line.startswith(b"data:"):
        return None
    match orjson.loads(line[5:]):
        case {
            "type": "invoke" | "resume" as kind,
            "task": {"id": str(task), "counter": int(n)},
        } if ":" in task:
            return Offer(kind, task, n)
        case {"type": "notify"}:
            return None
        case _:
            raise ValueError("not a message of the server")


class Inbox:
    """Offers not taken yet, oldest first; a newer offer of a task replaces the older one."""

    def __init__(self, stale_after: float = STALE_SECONDS) -> None:
        self._stale_after = stale_after
        self._changed = threading.Condition()
        self._offers: OrderedDict[str, Offer] = OrderedDict()
        self._closed = False

    def put(self, offer: Offer) -> None:
        with self._changed:
            self._offers.pop(offer.task, None)
            self._offers[offer.task] = offer
            self._changed.notify()

    def take(self) -> Offer | None:
        """Wait for an offer that is not stale; None once the inbox is closed."""
        with self._changed:
            while not self._closed:
                if not self._offers:
                    self._changed.wait()
                    continue
                _, offer = self._offers.popitem(last=False)
                if self._is_fresh(offer):
                    return offer
            return None

    def take_newest(self, *, keep: int, limit: int) -> list[Offer]:
        """Remove and return the latest offers beyond the first `keep`, at most so many."""
        with self._changed:
            count = min(len(self._offers) - keep, limit)
            found = [self._offers.popitem()[1] for _ in range(count)]
        return [offer for offer in found if self._is_fresh(offer)]

    def close(self) -> list[Offer]:
        """Let nobody wait or take any more; return the offers that nobody took."""
        with self._changed:
            self._closed = True
            left = [offer for offer in self._offers.values() if self._is_fresh(offer)]
            self._offers.clear()
            self._changed.notify_all()
        return left

    def _is_fresh(self, offer: Offer) -> bool:
        return time.monotonic() - offer.arrived_at < self._stale_after

    def __len__(self) -> int:
        return len(self._offers)

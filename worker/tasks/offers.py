"""Offers: tasks that the server offers to this worker, and the inbox where they wait."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import orjson

from shared.ids import id_of_stored

STALE_SECONDS: Final = 4.0
"""Seconds after which an offer is not worth a claim: after 5 s (`timeToClaim` in its configuration)
the server offers a task that nobody claimed again, with a higher counter."""


@dataclass(frozen=True)
class Offer:
    """A task that the server offers: to run an execution from its start, or to resume it."""

    kind: str
    task: str
    counter: int
    arrived_at: float = field(default_factory=time.monotonic)

    @property
    def execution(self) -> str:
        """The execution's id, from the task's: `__invoke:<id>` or `__resume:<id>:<awaited>`."""
        return id_of_stored(self.task.split(":", 2)[1])


def parse(line: bytes) -> Offer | None:
    """Return the offer in a line of the event stream; None for blank lines and other events.

    Raises `ValueError` for a data line that the server would not write.
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
            raise ValueError("not an event of the server")


class Inbox:
    """Offers that wait, oldest first; a newer offer of a task replaces the older one."""

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
        """Wait for an offer that is not stale, and remove it; None once the inbox is closed."""
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
        """Remove and return the newest offers beyond the oldest `keep`, at most `limit` of them."""
        with self._changed:
            count = min(len(self._offers) - keep, limit)
            found = [self._offers.popitem()[1] for _ in range(count)]
        return [offer for offer in found if self._is_fresh(offer)]

    def close(self) -> list[Offer]:
        """End every `take`, now and later; return the offers that were not taken."""
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

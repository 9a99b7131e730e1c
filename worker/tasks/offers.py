"""Offers: tasks that the server offers to this worker, and the inbox where they wait."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson

from shared.ids import id_of_stored
from worker.tasks.pace import FEWEST_OFFERS, MOST_OFFERS, Pace

if TYPE_CHECKING:
    from collections.abc import Iterable

STALE_SECONDS: Final = 4.0
"""Seconds after which an offer is not worth a claim: after 5 s (`timeToClaim` in its configuration)
the server offers a task that nobody claimed again, with a higher counter."""

OVERFLOW: Final = 2
"""Multiple of `MOST_OFFERS` that an inbox keeps of offers for which it has not asked."""


type Rank = tuple[bool, int, float, str]


@dataclass(frozen=True)
class Offer:
    """A task that the server offers: to run an execution from its start, or to resume it."""

    kind: str
    task: str
    counter: int
    arrived_at: float = field(default_factory=time.monotonic)
    created_at: int = 0
    """Time when the task was created, in milliseconds by the server's clock."""

    @property
    def rank(self) -> Rank:
        """Order in which offers are taken: executions that go on come before new ones, then age."""
        return self.kind != "resume", self.created_at, self.arrived_at, self.task

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
            "task": {"id": str(task), "counter": int(n)} as fields,
        } if ":" in task:
            created = fields.get("createdOn")
            return Offer(kind, task, n, created_at=created if isinstance(created, int) else 0)
        case {"type": "notify"}:
            return None
        case _:
            raise ValueError("not an event of the server")


class Inbox:
    """Offers that wait, by their `rank`; a newer offer of a task replaces the older one.

    It is full with the offers that are taken in `SUPPLY_SECONDS`, and has room for more once it is
    half empty. It is full as well while it is stuck: its offers have waited for so long, and none
    was taken. That ends when a slot is free.
    """

    def __init__(self, stale_after: float = STALE_SECONDS, *, fewest: int = FEWEST_OFFERS) -> None:
        self._stale_after = stale_after
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._half_empty = threading.Condition(self._lock)
        self._offers: dict[str, Offer] = {}
        self._order: list[Rank] = []
        self._pace = Pace(fewest)
        self._full = False
        self.received = 0
        """Number of offers that have come so far."""
        self._free_slots = 0
        self._stuck = False
        self._closed = False

    def put(self, offer: Offer) -> None:
        """Add an offer. Of far too many the newest is dropped: the server offers it again."""
        with self._lock:
            self.received += 1
            self._add(offer)

    def put_back(self, offers: Iterable[Offer]) -> None:
        """Add offers that were taken and not used, unless there are newer ones of their tasks."""
        with self._lock:
            for offer in offers:
                if not self._closed and offer.task not in self._offers:
                    self._add(offer)

    def take(self) -> Offer | None:
        """Wait for an offer that is not stale, and remove it; None once the inbox is closed."""
        with self._lock:
            self._free_slots += 1
            self._stuck = False
            self._make_room()
            try:
                return self._next()
            finally:
                self._free_slots -= 1

    def take_newest(self, *, keep: int, limit: int) -> list[Offer]:
        """Remove and return the newest offers beyond the oldest `keep`, at most `limit` of them."""
        with self._lock:
            count = max(0, min(len(self._order) - keep, limit))
            tasks = [task for *_, task in self._order[len(self._order) - count :]]
            found = [offer for task in reversed(tasks) if (offer := self._remove(task))]
        return [offer for offer in found if self._is_fresh(offer)]

    def is_full(self) -> bool:
        """Return whether it should be offered nothing for now: once full, until half empty."""
        with self._lock:
            return self._full

    def is_stuck(self) -> bool:
        """Return whether offers had better be passed on, because no slot takes any."""
        with self._lock:
            return self._stuck

    def wanted(self) -> int:
        """Return how many offers to ask the server for: none unless it is half empty.

        Drops stale offers, measures the pace and sees whether it is stuck, so it is to be called
        again and again.
        """
        with self._lock:
            self._drop_stale()
            self._pace.measure()
            self._see_whether_stuck()
            self._make_room()
            held = len(self._order)
            if self._closed or self._full or held > self._pace.limit // 2:
                return 0
            return self._pace.limit - held

    def waiting(self) -> list[Offer]:
        """Return the offers that wait."""
        with self._lock:
            return list(self._offers.values())

    def wait_for_room(self, seconds: float) -> bool:
        """Return whether it is not full, or no longer within this time."""
        with self._lock:
            return self._half_empty.wait_for(lambda: not self._full, seconds)

    def close(self) -> list[Offer]:
        """End every `take`, now and later; return the offers that were not taken."""
        with self._lock:
            self._closed, self._full, self._stuck = True, False, False
            left = [self._offers[task] for *_, task in self._order]
            self._offers.clear()
            self._order.clear()
            self._changed.notify_all()
            self._half_empty.notify_all()
        return [offer for offer in left if self._is_fresh(offer)]

    def _next(self) -> Offer | None:
        while not self._closed:
            if not self._order:
                self._changed.wait()
                continue
            offer = self._remove(self._order[0][-1])
            self._make_room()
            if offer is not None and self._is_fresh(offer):
                self._pace.count()
                return offer
        return None

    def _add(self, offer: Offer) -> None:
        self._remove(offer.task)
        self._offers[offer.task] = offer
        insort(self._order, offer.rank)
        if len(self._order) > OVERFLOW * MOST_OFFERS:
            self._remove(self._order[-1][-1])
        self._full = self._full or len(self._order) >= self._pace.limit
        self._changed.notify()

    def _remove(self, task: str) -> Offer | None:
        offer = self._offers.pop(task, None)
        if offer is not None:
            del self._order[bisect_left(self._order, offer.rank)]
        return offer

    def _make_room(self) -> None:
        if self._full and not self._stuck and len(self._order) <= self._pace.limit // 2:
            self._full = False
            self._half_empty.notify_all()

    def _see_whether_stuck(self) -> None:
        if self._free_slots:
            self._stuck = False  # a thread that was frozen takes them now
        elif self._offers and self._pace.rests(min(o.arrived_at for o in self._offers.values())):
            self._stuck = self._full = True

    def _drop_stale(self) -> None:
        stale = [task for task, offer in self._offers.items() if not self._is_fresh(offer)]
        for task in stale:
            self._remove(task)

    def _is_fresh(self, offer: Offer) -> bool:
        return time.monotonic() - offer.arrived_at < self._stale_after

    def __len__(self) -> int:
        return len(self._order)

"""Which of an execution's events may be published: those that no other event can come before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.model.execution import Execution
    from gateway.model.stored_promise import StoredPromise
    from gateway.model.timeline import Event

SETTLING_SECONDS: Final = 0.1
"""Seconds by which a promise may become readable before or after the time it is stamped with."""


class History:
    """The events of one execution that may be published: complete up to the last, and in order.

    Two promises with times close to each other may become readable in the wrong order. So events up
    to a time are published once a later read has seen all of them again:

        1. a read from 10.0 to 10.1 s sees promises with times up to 9.9 s
        2. a read that begins at 10.2 s or later, `SETTLING_SECONDS` after the first one's end,
           sees everything up to 9.9 s
        3. the events up to 9.9 s may be published

    An execution that has ended is published at once: its end is read first, and everything that
    counts was stored before.

    `over` means that the last event was published. `known` are the ids of promises that will not
    change any more, `unfinished` the ids of those that will.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.over = False
        self.known: set[str] = set()
        self.unfinished: set[str] = set()
        self._parts: dict[str, StoredPromise] = {}
        self._timeline: list[Event] = []
        self._seen_until = 0
        self._seen_at = float("inf")
        self._complete_until = 0

    def forget(self) -> None:
        """Forget what was read; events that may be published stay, and only later ones follow."""
        self.known.clear()
        self.unfinished.clear()
        self._parts.clear()
        self._timeline = []
        self._seen_at = float("inf")
        self._complete_until = 0

    def __len__(self) -> int:
        """Return how many promises have been read."""
        return len(self._parts)

    def learn(
        self, root: Execution, parts: Iterable[StoredPromise], began: float, ended: float
    ) -> bool:
        """Add what a read between two moments, in seconds, has seen.

        Returns whether there are events that may not be published yet.
        """
        changed = not self._timeline or root.done != self.over
        for part in parts:
            changed = changed or self._parts.get(part.id) != part
            self._parts[part.id] = part
            if part.is_final:
                self.known.add(part.id)
                self.unfinished.discard(part.id)
            else:
                self.unfinished.add(part.id)
        if began - self._seen_at >= SETTLING_SECONDS:
            self._complete_until = self._seen_until
        if changed:
            self._timeline = timeline(root, list(self._parts.values()))
        self.over = root.done
        self._seen_until, self._seen_at = self._timeline[-1].key[0], ended
        self._publish()
        return not self.over and self._seen_until > self._complete_until

    def _publish(self) -> None:
        last = self.events[-1].key if self.events else (0, 0, 0)
        self.events += [
            event
            for event in self._timeline
            if event.name == "done"
            or (event.key > last and (self.over or event.key[0] <= self._complete_until))
        ]

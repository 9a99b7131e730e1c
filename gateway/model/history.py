"""What of an execution's events may be told already, since nothing can come before it any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.model.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.model.execution import Execution, Part
    from gateway.model.timeline import Event

SETTLING_SECONDS: Final = 0.1
"""What the server stamps with a time can be read so much later, or sooner."""


class History:
    """The events of one execution: complete up to the last, in order, each there for good.

    Of two promises with times close to each other a read may see only the later one. So a time is
    told of once a read sees all that lies before it: one that begins `SETTLING_SECONDS` after the
    end of another read that saw as far. When the execution has ended, all is told at once: its end
    is read first, and everything that counts was stored before.

    `over` says that the last event is there. `known` are ids of which nothing more comes,
    `unfinished` those of which something does.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.over = False
        self.known: set[str] = set()
        self.unfinished: set[str] = set()
        self.timeout_at = 0
        self._parts: dict[str, Part] = {}
        self._timeline: list[Event] = []
        self._seen_until = 0
        self._seen_at = float("inf")
        self._complete_until = 0

    def __len__(self) -> int:
        """How many promises it is made of."""
        return len(self._parts)

    def learn(self, root: Execution, parts: Iterable[Part], began: float, ended: float) -> bool:
        """Take what was read between two moments, in seconds.

        True if it shows more than can be told yet.
        """
        changed = not self._timeline or root.done != self.over
        for part in parts:
            changed = changed or self._parts.get(part.id) != part
            self._parts[part.id] = part
            if part.settled:
                self.known.add(part.id)
                self.unfinished.discard(part.id)
            else:
                self.unfinished.add(part.id)
        if began - self._seen_at >= SETTLING_SECONDS:
            self._complete_until = self._seen_until
        if changed:
            self._timeline = timeline(root, list(self._parts.values()))
        events = self._timeline
        self.over, self.timeout_at = root.done, root.timeout_at
        self._seen_until, self._seen_at = events[-1].key[0], ended
        told = self.events[-1].key if self.events else (0, 0, 0)
        self.events += [
            event
            for event in events
            if event.name == "done"
            or (event.key > told and (self.over or event.key[0] <= self._complete_until))
        ]
        return not self.over and self._seen_until > self._complete_until

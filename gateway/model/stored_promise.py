"""What the server stores: durable promises, as the gateway knows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.resonate.large_values import Data


@dataclass(frozen=True, slots=True)
class StoredPromise:
    """One promise of the server; times are milliseconds since the epoch.

    An execution, each of its steps, children, sleeps and signals, and each report of progress is a
    promise. `param` is what it was created with, `value` what it was settled with: text, or where
    it is if it is large. Both are None where they were not kept.
    """

    id: str
    state: str
    created_on: int
    completed_on: int | None
    timeout: int
    tags: Mapping[str, str]
    param: Data | None = None
    value: Data | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    """What stands beside the value: of a plain function that was quick, its step, with the names of
    the tags that a step has."""

    @property
    def pending(self) -> bool:
        """Whether it waits for a value."""
        return self.state == "PENDING"

    @property
    def started_at(self) -> int:
        """When it began: of a step, which is stored a little later, before its creation."""
        return min(int(self.tags.get(tag.STARTED, self.created_on)), self.created_on)

    @property
    def is_child(self) -> bool:
        """Whether it is a child execution."""
        return self.tags.get(tag.KIND) == tag.CHILD

    @property
    def is_wait(self) -> bool:
        """Whether its execution is suspended while it is pending."""
        return self.is_child or self.is_signal or self.is_sleep

    @property
    def is_signal(self) -> bool:
        """Whether it is the wait for a signal."""
        return tag.SIGNAL in self.tags

    @property
    def is_sleep(self) -> bool:
        """Whether it is the wait for a time."""
        return tag.SLEEP in self.tags and tag.STEP not in self.tags

    @property
    def is_final(self) -> bool:
        """Whether it will not change any more.

        A report of progress or a record of a recovery stays pending until its time is over, which
        changes nothing that is shown.
        """
        shown_at_its_end = tag.STEP in self.tags or self.is_wait or self.is_block
        return not (self.pending and shown_at_its_end)

    @property
    def is_block(self) -> bool:
        """Whether it is the record of a worker that could not go on with its execution."""
        return tag.BLOCKED in self.tags

    @property
    def is_silent(self) -> bool:
        """Whether it is a record for workers only, from which nothing follows that is shown."""
        return bool({tag.AWAITS, tag.CHANGED, tag.REFUSED} & self.tags.keys())

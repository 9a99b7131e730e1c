"""A sample of the ids in the store, by which the cost of a search by prefix is known beforehand."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gateway.concurrency.tasks import SingleFlight
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from shared.resonate.store import Promises

FEW_ROWS: Final = 2_000
"""Rows that a search by prefix may read: some 5 ms of the server's only thread for its store."""

PLACES: Final = 50
"""Places in the store where ids are looked at."""

IDS_PER_PLACE: Final = 10

SAMPLE_SECONDS: Final = 1.0
"""Seconds that a sample may take; a busy server gives a smaller one."""

KEPT_SECONDS: Final = 60.0
"""Seconds for which a sample is used."""

WILDCARD: Final = "_"
"""In a search, any character. The server's index is of use up to the first one."""


@dataclass(frozen=True, slots=True)
class IdSample:
    """Ids of executions from everywhere in a store of at most `rows` promises."""

    rows: int = 0
    ids: Sequence[str] = field(default=())

    def has_few(self, prefix: str) -> bool:
        """Return whether a search by this prefix is expected to read few rows.

        The server reads all rows with the prefix, of which it returns the newest ones. In a sample
        of 500 ids of 300,000 rows one id stands for 600 rows: three are few, four are not.
        """
        indexed = prefix.partition(WILDCARD)[0].lower()
        found = sum(id.lower().startswith(indexed) for id in self.ids)
        return not found or self.rows * found <= FEW_ROWS * len(self.ids)


def take_sample(promises: Promises) -> IdSample:
    """Look at ids all over the store. Raises `Refused` or `Unanswered`."""
    until = time.monotonic() + SAMPLE_SECONDS
    wanted = {tag.KIND: tag.EXECUTION}  # what has other tags, or none, may be large
    _, newest = promises.search("*", wanted, limit=1)
    if newest is None or newest <= FEW_ROWS:
        return IdSample()
    ids: list[str] = []
    for place in random.sample(range(PLACES), PLACES):
        # Somewhere else each time, so that no run of equal ids stays unseen between the places.
        before = 1 + round(newest * (place + random.random()) / PLACES)  # noqa: S311 - no secret
        found, _ = promises.search("*", wanted, limit=IDS_PER_PLACE, after=before)
        ids += (promise.id for promise in found)
        if time.monotonic() > until:
            break
    return IdSample(newest, ids)


class LatestSample:
    """A sample that is not old; `take` takes another one."""

    def __init__(self, take: Callable[[], Coroutine[Any, Any, IdSample]]) -> None:
        self._take = take
        self._taking: SingleFlight[None, IdSample] = SingleFlight()
        self._sample: IdSample | None = None
        self._until = float("-inf")

    async def get(self) -> IdSample:
        """Return the sample. Raises what `take` raises."""
        if self._sample is None or time.monotonic() > self._until:
            self._sample = await self._taking.run(None, self._take)
            self._until = time.monotonic() + KEPT_SECONDS
        return self._sample

"""Numbers about the newest executions: how many are in which state, how often and how long."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache, TTLCache
from msgspec import Struct

from gateway.api.listing import Filters, search
from gateway.dashboard.board import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.backend.client import Backend
    from gateway.model.execution import Execution
    from gateway.updates.activities import Activities

SAMPLE: Final = 200
"""Executions that are counted, the newest ones."""

PHASE_READS: Final = 20
"""Executions of a sample whose phases are read, where no worker tells them: the others' turn comes
with the next samples."""

PHASE_SECONDS: Final = 10.0
"""Seconds for which a phase that was read is counted."""

BEGIN_SECONDS: Final = 10.0
"""Seconds of which begins are counted, as far as the sample goes back."""

END_SECONDS: Final = 60.0
"""Seconds of which the ends are looked at."""

LEAST_OF_P99: Final = 20
"""Ends of which 99 of 100 can be told from the slowest one."""

KEPT_NAMES: Final = 2_000
"""Executions whose functions are remembered."""

EVERYTHING: Final = Filters(status=None, function=None, prefix="", version=None)


class Counts(Struct, frozen=True):
    """How many of the newest `sample` executions are in which state.

    A pending one whose phase is not known is counted as `pending` alone.
    """

    sample: int = 0
    pending: int = 0
    scheduled: int = 0
    queued: int = 0
    running: int = 0
    waiting: int = 0
    retrying: int = 0
    blocked: int = 0
    recovering: int = 0
    resolved: int = 0
    rejected: int = 0
    canceled: int = 0
    timedout: int = 0


class Numbers(Struct, frozen=True):
    """The counts, begins a second, and milliseconds from begin to end; None is not known.

    The milliseconds are those of `ended` executions, all begun after `oldest_at`, in milliseconds
    since the epoch: where many are begun, slower ones are not among them.
    """

    counts: Counts | None = None
    begins_per_second: float | None = None
    oldest_at: int | None = None
    ended: int = 0
    p50_ms: int | None = None
    p99_ms: int | None = None


class NewestExecutions:
    """Reads the newest executions, a bounded number with bounded work."""

    def __init__(self, backend: Backend, activities: Activities) -> None:
        self._backend = backend
        self._activities = activities
        self._functions: LRUCache[str, str] = LRUCache(KEPT_NAMES)
        self._phases: TTLCache[str, str] = TTLCache(SAMPLE * 4, PHASE_SECONDS)

    def function_of(self, execution: str) -> str | None:
        """Return the name of an execution's function, if it was among the newest lately."""
        return self._functions.get(execution)

    async def read(self) -> Numbers:
        """Return the numbers as they are now. Raises `BackendUnavailable`."""
        found, _ = await search(self._backend.searches, EVERYTHING, SAMPLE, None)
        self._functions.update({each.id: shown(each.function) for each in found})
        told = self._activities.told_of(found)
        await self._read_phases(each for each in found if each.id not in told)
        now = self._backend.clock.time()
        durations = _durations(found, now)
        return Numbers(
            self._counts(found, told, now),
            _begins_per_second(found, now),
            min((each.created_at for each in found), default=None),
            len(durations),
            _percentile(durations, 50),
            _percentile(durations, 99) if len(durations) >= LEAST_OF_P99 else None,
        )

    async def _read_phases(self, untold: Iterable[Execution]) -> None:
        unknown = (each for each in untold if each.id not in self._phases)
        now = self._backend.clock.time()
        for each in await self._activities.add_to(list(itertools.islice(unknown, PHASE_READS))):
            phase = each.phase(now)
            if phase is not None:
                self._phases[each.id] = phase

    def _counts(
        self, found: Sequence[Execution], told: Mapping[str, Execution], now: float
    ) -> Counts:
        counted = dict.fromkeys(Counts.__struct_fields__, 0)
        for each in found:
            counted[each.status] += 1
            if not each.done:
                phase = told[each.id].phase(now) if each.id in told else self._phases.get(each.id)
                if phase is not None:
                    counted[phase] += 1
        return Counts(**{**counted, "sample": len(found)})


def _begins_per_second(found: Sequence[Execution], now: float) -> float | None:
    """Return the rate over the last seconds, or over as many as the sample goes back."""
    if not found:
        return None
    ages = [max(now - each.created_at / 1000, 0.0) for each in found]
    seconds = BEGIN_SECONDS if len(found) < SAMPLE else min(BEGIN_SECONDS, max(ages))
    if seconds <= 0:
        return None
    return round(sum(age <= seconds for age in ages) / seconds, 1)


def _durations(found: Sequence[Execution], now: float) -> list[int]:
    """Return the milliseconds of those that have come to a result lately, in order."""
    return sorted(
        each.completed_at - max(each.created_at, each.starts_at or 0)
        for each in found
        if each.status == "resolved"
        and each.completed_at is not None
        and each.completed_at > (now - END_SECONDS) * 1000
    )


def _percentile(ordered: Sequence[int], percent: int) -> int | None:
    if not ordered:
        return None
    return max(ordered[math.ceil(len(ordered) * percent / 100) - 1], 0)

"""Numbers of the newest executions, with bounded work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from gateway.backend.searches import EVERYTHING
from gateway.dashboard.counts import PHASE_READS, SAMPLE, NewestExecutions
from gateway.errors import BackendUnavailable
from gateway.model.activity import Activity
from gateway.model.execution import Execution
from gateway.presence.workers import Workers
from gateway.updates.activities import Activities
from shared.presence import Claimed
from tests.support.gateway.presence import speaking

if TYPE_CHECKING:
    from gateway.backend.client import Backend

NOW = 1_000.0


def execution(id: str, age: float, took: float | None = None, status: str = "pending") -> Execution:
    """Return an execution that was begun `age` seconds ago and ended after `took` seconds."""
    begun = int((NOW - age) * 1000)
    return Execution(
        *(id, status if took is None else "resolved", "foo", "null", begun, begun + 10**6),
        completed_at=None if took is None else begun + round(took * 1000),
        partial=took is None and status == "pending",
    )


class PlayedBackend:
    """Has these executions, and counts what is read of them."""

    def __init__(self) -> None:
        self.found: list[Execution] = []
        self.searches = self.clock = self
        self.read: list[str] = []
        self.error: Exception | None = None

    def time(self) -> float:
        return NOW

    async def pattern_of(self, prefix: str) -> str:
        assert prefix == ""
        return EVERYTHING

    async def page(
        self, _: str, limit: int, after: int | None
    ) -> tuple[list[Execution], int | None]:
        if self.error is not None:
            raise self.error
        start = after or 0
        end = start + limit
        return self.found[start:end], end if end < len(self.found) else None

    async def with_activity(self, execution: Execution) -> Execution:
        self.read.append(execution.id)
        return replace(execution, activity=Activity("w", 1, None), partial=False)


@pytest.fixture(name="backend")
def _backend() -> PlayedBackend:
    return PlayedBackend()


@pytest.fixture(name="workers")
def _workers() -> Workers:
    return Workers()


@pytest.fixture(name="newest")
async def _newest(backend: PlayedBackend, workers: Workers) -> NewestExecutions:
    played = cast("Backend", backend)
    return NewestExecutions(played, Activities(played, workers))


async def test_an_empty_service_has_no_rates(newest: NewestExecutions) -> None:
    """Of nothing there is no rate and no time, and the counts are zero."""
    numbers = await newest.read()

    assert numbers.counts is not None
    assert numbers.counts.sample == numbers.counts.pending == 0
    assert (numbers.begins_per_second, numbers.p50_ms, numbers.p99_ms) == (None, None, None)
    assert (numbers.ended, numbers.oldest_at) == (0, None)


async def test_rates_and_times(newest: NewestExecutions, backend: PlayedBackend) -> None:
    """Begins of the last seconds count, and ends of the last minute."""
    backend.found = [
        *(execution(f"job-{n}", 0.1 + n / 10, (n + 1) / 1000) for n in range(100)),
        execution("old", 500.0, 1.0),
        execution("canceled", 600.0, status="canceled"),
    ]
    numbers = await newest.read()

    assert numbers.begins_per_second == pytest.approx(10, abs=0.2)
    assert (numbers.p50_ms, numbers.p99_ms, numbers.ended) == (50, 99, 100)
    assert numbers.oldest_at == (NOW - 600) * 1000
    assert numbers.counts is not None
    assert (numbers.counts.resolved, numbers.counts.canceled, numbers.counts.sample) == (
        101,
        1,
        102,
    )
    assert newest.function_of("job-1") == "foo"
    assert newest.function_of("other") is None


@pytest.mark.parametrize(("count", "p99"), [(19, None), (20, 20)])
async def test_few_ends_have_no_p99(
    newest: NewestExecutions, backend: PlayedBackend, count: int, p99: int | None
) -> None:
    """Of a few executions nobody can say how long 99 of 100 take."""
    backend.found = [execution(f"job-{n}", 1 + n, (n + 1) / 1000) for n in range(count)]

    numbers = await newest.read()

    assert (numbers.ended, numbers.p50_ms, numbers.p99_ms) == (count, 10, p99)


async def test_a_full_sample_goes_less_far_back(
    newest: NewestExecutions, backend: PlayedBackend
) -> None:
    """Of many begins the sample has the last moments only; the rate is of these."""
    backend.found = [execution(f"job-{n}", n / 1000, 0.0001) for n in range(5_000)]

    numbers = await newest.read()

    assert numbers.counts is not None
    assert numbers.counts.sample == SAMPLE
    assert numbers.begins_per_second == pytest.approx(1_000, rel=0.02)
    assert numbers.oldest_at == NOW * 1000 - (SAMPLE - 1)


async def test_phases_are_read_a_few_at_a_time(
    newest: NewestExecutions, backend: PlayedBackend, workers: Workers
) -> None:
    """What workers tell costs no read; of the others each is read in its turn, and remembered."""
    backend.found = [execution(f"job-{n}", n) for n in range(50)]
    speaking(workers, *(Claimed(f"__invoke:job-{n}", 1, f"job-{n}") for n in range(10)))

    first = (await newest.read()).counts
    second = (await newest.read()).counts
    third = (await newest.read()).counts

    assert first is not None
    assert second is not None
    assert third is not None
    assert [each.running for each in (first, second, third)] == [10 + PHASE_READS, 50, 50]
    assert first.pending == 50
    assert len(backend.read) == len(set(backend.read)) == 40


async def test_the_server_may_be_away(newest: NewestExecutions, backend: PlayedBackend) -> None:
    """What cannot be read is said to whoever asks."""
    backend.error = BackendUnavailable("away")

    with pytest.raises(BackendUnavailable):
        await newest.read()

"""What is done when a worker's connection ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.api.keys import BACKEND
from gateway.errors import BackendUnavailable
from gateway.presence import deaths
from shared.presence import Bye, Claimed, Ended, Offers, Restated
from shared.resonate.tasks import TaskState
from tests.support.gateway.client import until
from tests.support.gateway.presence import Released, presence_port
from tests.support.worker.held import hold

if TYPE_CHECKING:
    import pytest
    from structlog.typing import EventDict

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway
    from tests.support.gateway.presence import PresencePort

NOTHING: Final[tuple[list[object], list[object]]] = ([], [])
"""The release of a worker that held nothing, as of those that settle."""


NOT_RELEASED: Final = "not all claims of a dead worker released, their leases will end"


def lines_of(log: list[EventDict], event: str) -> list[EventDict]:
    """Return the lines of one event, without those of workers that settle."""
    return [
        line
        for line in log
        if line["event"] == event and not str(line.get("worker")).startswith("worker-settling")
    ]


def connected(port: PresencePort, pid: str) -> bool:
    """Return whether a worker that is known has a connection."""
    worker = port.known(pid)
    return worker is not None and bool(worker.connections)


async def test_a_death_is_logged_with_what_it_left(
    port: PresencePort, log: list[EventDict]
) -> None:
    """One line says who died and how much was released."""
    worker = await port.greet("a", Claimed("t1", 1, "job-1"), Claimed("t2", 1, "job-2"))
    await worker.say(Offers([("o", 1)], []), Ended("t2", 1))

    await worker.leave()

    await until(lambda: lines_of(log, "worker died"))
    (line,) = lines_of(log, "worker died")
    assert (line["worker"], line["claims"], line["offers"], line["released"]) == (
        "worker-a",
        1,
        1,
        2,
    )
    assert port.deaths.count == 1


async def test_a_worker_that_comes_back_at_once_is_not_dead(
    port: PresencePort, released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something between the two has ended the connection: nothing is released or forgotten."""
    monkeypatch.setattr(deaths, "GRACE_SECONDS", 0.5)
    worker = await port.greet("a", Claimed("t", 1, "job"))
    await until(lambda: port.held("a")[0])

    for _ in range(3):
        await worker.reset()
        worker = await port.greet("a")

    await port.settle()
    assert port.held("a")[0] == {("t", 1)}
    assert released.calls == [NOTHING]
    assert port.deaths.mistakes == 0


async def test_a_worker_that_dies_while_it_tells_all_again_leaves_all(
    port: PresencePort, released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it told before the connection broke off counts until all is told anew."""
    monkeypatch.setattr(deaths, "GRACE_SECONDS", 0.5)
    first = await port.greet("a", Claimed("t1", 1, "job-1"), Offers([("o", 1)], []))
    await until(lambda: port.held("a") == ({("t1", 1)}, {("o", 1)}))
    await first.reset()
    second = await port.greet("a", Restated(), Claimed("t2", 1, "job-2"))

    await second.leave()

    await until(lambda: released.calls)
    assert released.calls == [([("t1", 1), ("t2", 1)], [("o", 1)])]


async def test_a_mistake_is_counted_and_logged_once(
    port: PresencePort, log: list[EventDict]
) -> None:
    """A worker that was taken for dead and lives starts anew, and may die a second time."""
    await (await port.greet("a", Claimed("t", 1, "job"))).leave()
    await until(lambda: port.deaths.count == 1)

    worker = await port.greet("a")
    await port.greet("a")

    assert port.deaths.mistakes == 1
    assert len(lines_of(log, "worker was taken for dead and lives")) == 1
    assert port.held("a")[0] == set()
    assert port.known("a") is not None
    await worker.say(Bye())


async def test_a_connection_that_breaks_twice_is_one_death(
    port: PresencePort, released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it broke before: the worker that came back is not forgotten with it."""
    monkeypatch.setattr(deaths, "GRACE_SECONDS", 0.2)
    for _ in range(3):
        await (await port.greet("a", Claimed("t", 1, "job"))).leave()

    await until(lambda: port.deaths.count)
    await port.greet("a")
    await port.settle()

    assert [call for call in released.calls if call != NOTHING] == [([("t", 1)], [])]
    assert port.known("a") is not None
    assert port.deaths.count == 2  # with the one that settles


async def test_an_execution_that_was_moved_just_now_is_left_to_its_lease(
    port: PresencePort, released: Released
) -> None:
    """It may be what ends its workers; the others of the second worker are released."""
    await (await port.greet("a", Claimed("t", 1, "poison"))).leave()
    await until(lambda: released.calls)
    claims = [Claimed("t", 2, "poison"), Claimed("other", 1, "job")]
    second = await port.greet("b", *claims, Offers([("o", 1)], []))

    await second.leave()

    await until(lambda: len(released.calls) == 2)
    assert released.calls == [([("t", 1)], []), ([("other", 1)], [("o", 1)])]


async def test_two_claims_of_one_execution_are_both_released(
    port: PresencePort, released: Released
) -> None:
    """A worker that has claimed it anew may hold either."""
    worker = await port.greet("a", Claimed("t", 1, "job"), Claimed("t", 2, "job"))

    await worker.leave()

    await until(lambda: released.calls)
    assert released.calls == [([("t", 1), ("t", 2)], [])]


async def test_a_gateway_that_stops_takes_nobody_for_dead(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither workers whose connections it ends, nor those that could not connect again."""
    monkeypatch.setattr(deaths, "GRACE_SECONDS", 0.2)
    async with presence_port(released) as port:
        broken = await port.greet("a", Claimed("t1", 1, "job"))
        worker = await port.greet("b", Claimed("t2", 1, "job"))
        await until(lambda: port.held("a")[0] and port.held("b")[0])
        await broken.reset()
        await until(lambda: not connected(port, "a"))

        port.listener.close()

        assert await worker.ended() == b""
        await until(lambda: port.known("b") is None)
        await until(lambda: port.known("a") is None)
        assert port.deaths.count == 0

    assert released.calls == []


async def test_the_server_is_away(
    port: PresencePort, released: Released, log: list[EventDict]
) -> None:
    """What cannot be released is left to its leases, and the next death is dealt with."""
    released.error = BackendUnavailable("away")
    await (await port.greet("a", Claimed("t", 1, "job-1"))).leave()
    await until(lambda: lines_of(log, NOT_RELEASED))

    released.error = None
    await (await port.greet("b", Claimed("t", 2, "job-2"))).leave()

    await until(lambda: lines_of(log, "worker died"))
    assert released.calls == [([("t", 1)], []), ([("t", 2)], [])]
    assert port.deaths.count == 2


async def test_two_gateways_see_one_death(gateway: Gateway, store: Store, job: str) -> None:
    """At the real server the worker's claims are offered to others once, and soon."""
    held = await hold(store, job, 10)
    claims = [Claimed(task, counter, task) for task, counter in held.claims[1:]]
    releases = gateway.app[BACKEND].releases
    async with presence_port(releases) as first, presence_port(releases) as second:
        peers = [await port.greet("a", *claims) for port in (first, second)]
        await asyncio.gather(*(peer.leave() for peer in peers))

        await until(lambda: held.count_free(2) == 9, 3)

    assert await asyncio.to_thread(held.state, 0) is TaskState.HELD

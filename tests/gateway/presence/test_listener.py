"""The port at which workers connect, and strangers may."""

from __future__ import annotations

import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Final

import pytest

from gateway.presence import listener, refusals
from shared.presence import (
    Claimed,
    Welcome,
    line_of,
)
from tests.support.gateway.client import until
from tests.support.gateway.presence import (
    PresencePort,
    Released,
    hello_of,
    presence_port,
    reason_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from structlog.typing import EventDict


REFUSED: Final = "presence connections refused"


@pytest.fixture(name="small")
async def _small(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PresencePort]:
    """Yield a port with room for three strangers and three workers."""
    monkeypatch.setattr(listener, "MOST_STRANGERS", 3)
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 3)
    async with presence_port(released) as port:
        yield port


async def test_strangers_keep_no_worker_out(small: PresencePort) -> None:
    """A further connection ends the oldest on which nobody has greeted, never a worker's."""
    first = await small.greet("a")
    strangers = [await small.connect() for _ in range(4)]

    second = await small.greet("b")

    for stranger in strangers[:2]:
        reason = reason_of(await stranger.ended())
        assert reason == "too many connections without a greeting"
    for number, worker in enumerate((first, second)):
        await worker.say(Claimed("t", number, "job"))
    await until(lambda: small.held("a")[0] and small.held("b")[0])
    await strangers[3].say(hello_of("c"))
    assert isinstance(await strangers[3].heard(), Welcome)


async def test_strangers_that_leave_take_no_room(small: PresencePort) -> None:
    """Nor do those that were refused: only connections that are there count."""
    patient = await small.connect()
    for number in range(10):
        await (await small.connect(b"x\n")).ended()
        await (await small.connect()).leave()
        worker = await small.greet(f"{number}")
        await worker.leave()
        await until(lambda: len(small.workers) == 0)

    await patient.say(hello_of("a"))

    assert isinstance(await patient.heard(), Welcome)


async def test_there_may_be_too_many_workers(small: PresencePort, released: Released) -> None:
    """One more is refused, which is not its death; when one has left, there is room."""
    workers = [await small.greet(pid) for pid in ("a", "b", "c")]

    another = await small.connect(line_of(hello_of("d")) + line_of(Claimed("t", 1, "job")))

    assert reason_of(await another.ended()) == "too many workers"
    await workers[0].leave()
    await until(lambda: released.calls)
    assert released.calls == [([], [])]
    await small.greet("d")


async def test_clients_and_the_server_need_files_too(
    released: Released, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the process may open few files, there is room for fewer connections."""
    limits = (2 * listener.FILES_SHARE, -1)
    with monkeypatch.context() as machine:
        machine.setattr("gateway.presence.listener.resource.getrlimit", lambda _: limits)
        port = PresencePort(released)
    await port.listener.start()

    strangers = [await port.connect() for _ in range(3)]

    assert reason_of(await strangers[0].ended()) == "too many connections without a greeting"
    for pid in ("a", "b"):
        await port.greet(pid)
    third = await port.connect(line_of(hello_of("c")))
    assert reason_of(await third.ended()) == "too many workers"
    await port.close()


async def test_refusals_are_logged_a_few_times(
    port: PresencePort, log: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of each reason at once, and then how many there were."""
    monkeypatch.setattr(refusals, "QUIET_SECONDS", 0.3)
    began, count = time.monotonic(), itertools.count()
    for number in count:
        await (await port.connect(b"x%d\n" % number)).ended()
        if number == 0:
            await (await port.connect(line_of(hello_of("a", "wrong")))).ended()
        if time.monotonic() - began > 1:
            break

    lines = [line for line in log if line["event"] == REFUSED]
    assert [line["reason"] for line in lines[:2]] == ["not understood", "another secret"]
    counts = [line["count"] for line in lines if line["reason"] == "not understood"]
    assert counts[0] == 1
    assert 2 <= len(counts) <= 5
    assert max(counts) > 1
    assert sum(counts) <= next(count)


async def test_nothing_listens_without_a_secret() -> None:
    """A gateway that has none does not look for workers."""
    port = PresencePort(Released(), secret="")

    await port.listener.start()

    assert port.listener.ports == ()
    await port.close()


async def test_a_port_that_is_taken_is_an_error(port: PresencePort) -> None:
    """The gateway does not start without the port that it was told to listen at."""
    another = PresencePort(Released(), port=port.listener.ports[0])

    with pytest.raises(OSError, match="in use"):
        await another.listener.start()


async def test_a_listener_that_is_closed_takes_nobody(port: PresencePort) -> None:
    """Connections end, and no further one is made."""
    worker, stranger = await port.greet("a"), await port.connect()

    port.listener.close()

    assert await worker.ended() == b""
    assert await stranger.ended() == b""
    with contextlib.suppress(ConnectionError):
        late = await port.connect(line_of(hello_of("b")))
        assert await late.ended() == b""
    assert port.known("b") is None

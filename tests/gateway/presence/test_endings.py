"""How the connection of a worker ends, and whether that is a death."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

import pytest
import uvloop

from shared.presence import (
    Claimed,
    Ended,
    Offers,
    Restated,
    line_of,
)
from tests.support.gateway.client import until
from tests.support.gateway.presence import PresencePort, Released, hello_of, presence_port

if TYPE_CHECKING:
    from collections.abc import Callable


HELLO: Final = line_of(hello_of("a"))


@pytest.mark.parametrize("rest", [b"", b'["claimed","t2",1,"jo'], ids=["between", "in a line"])
@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "end"])
async def test_a_connection_that_ends_without_a_goodbye_is_a_death(
    port: PresencePort, released: Released, rest: bytes, *, is_reset: bool
) -> None:
    """Between two lines, or in the middle of one, which then counts for nothing."""
    peer = await port.greet("a", Claimed("t", 1, "job"), Offers([("o", 1)], []))
    await until(lambda: port.held("a") == ({("t", 1)}, {("o", 1)}))
    await peer.send(rest)

    await (peer.reset() if is_reset else peer.leave())

    await until(lambda: released.calls)
    assert released.calls == [([("t", 1)], [("o", 1)])]
    assert port.known("a") is None


async def test_a_reset_in_the_middle_of_an_account_forgets_nothing(
    port: PresencePort, released: Released
) -> None:
    """What was told before and not yet again is released with the rest."""
    peer = await port.greet("a", Claimed("t1", 1, "job-1"), Claimed("t2", 1, "job-2"))
    await peer.say(Restated(), Claimed("t3", 1, "job-3"))
    await until(lambda: len(port.held("a")[0]) == 3)

    await peer.reset()

    await until(lambda: released.calls)
    assert released.calls == [([("t1", 1), ("t2", 1), ("t3", 1)], [])]


async def test_a_worker_dies_with_the_last_of_its_connections(
    port: PresencePort, released: Released
) -> None:
    """A gateway may have two addresses: a worker that still speaks at one of them lives."""
    first = await port.greet("a", Claimed("t1", 1, "job-1"))
    second = await port.greet("a", Claimed("t2", 1, "job-2"))
    await until(lambda: len(port.held("a")[0]) == 2)
    await second.reset()
    await port.settle()
    assert released.calls == [([], [])]

    await first.say(Ended("t2", 1))
    await first.leave()

    await until(lambda: len(released.calls) == 2)
    assert released.calls[1] == ([("t1", 1)], [])


async def test_a_refused_connection_does_not_end_another(
    port: PresencePort, released: Released
) -> None:
    """A peer that greets as a living worker does, and is refused then, changes nothing."""
    worker = await port.greet("a", Claimed("t", 1, "job"))
    another = await port.greet("a")
    await another.send(b"garbage\n")
    await another.ended()
    assert port.held("a")[0] == {("t", 1)}

    await worker.leave()

    await until(lambda: released.calls)
    assert released.calls == [([("t", 1)], [])]


async def test_who_guesses_the_process_id_of_a_worker_changes_nothing(
    port: PresencePort, released: Released
) -> None:
    """Without the secret nothing that is known of the worker changes, nor is it released."""
    await port.greet("a", Claimed("t", 1, "job"))

    for _ in range(3):
        guessing = await port.connect(line_of(hello_of("a", "guessed")) + line_of(Restated()))
        await guessing.ended()
        await guessing.reset()

    await port.settle()
    assert port.held("a")[0] == {("t", 1)}
    assert released.calls == [([], [])]


LOOPS: Final = [asyncio.new_event_loop, uvloop.new_event_loop]


# How the kernel's reports reach a connection does not depend on the loop: production has uvloop.


async def _released_after(end: str) -> list[object]:
    """Return what is released once a worker's connection has ended so."""
    released = Released()
    async with presence_port(released) as port:
        if end == "timeout":
            # More than the peer's kernel takes: what it does not take in time has the gateway's
            # kernel report a timeout, as of a host that does not answer.
            port.listener.name = "x" * 20_000_000
        with socket.socket() as peer:
            peer.settimeout(0)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(peer, ("127.0.0.1", port.listener.ports[0]))
            await loop.sock_sendall(peer, HELLO + line_of(Claimed("t", 1, "job")))
            await until(lambda: port.held("a")[0])
            if end == "reset":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            if end != "timeout":
                peer.close()
            await until(lambda: port.known("a") is None, 10)
            port.listener.name = "gateway-1"
            await port.settle()
    return [call for call in released.calls if call != ([], [])]


@pytest.mark.parametrize("loop_factory", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("end", ["end", "reset", "timeout"])
def test_silence_is_no_death(
    end: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """A process that has ended is dead; one that has stopped to read, or is cut off, is not."""
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        released = runner.run(_released_after(end))

    assert released == ([] if end == "timeout" else [([("t", 1)], [])])

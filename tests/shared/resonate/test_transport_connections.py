"""Connections to the server: kept, not shared between threads, replaced when dead."""

from __future__ import annotations

import threading

import pytest

from shared.resonate.transport import Refused
from tests.support.processes import wait_until
from tests.support.scripted_server import Answer, as_is, serving, transport_to


def test_a_connection_is_used_again() -> None:
    """Consecutive calls share one connection, also after a refusal."""
    refusal = Answer(404, b'{"error":{"code":4040,"message":"no"}}')
    with serving(Answer(), refusal, Answer()) as server:
        transport = transport_to(server)
        transport.call("GET", "/", read=as_is)
        with pytest.raises(Refused):
            transport.call("GET", "/", read=as_is)
        transport.call("POST", "/", {"a": 1}, read=as_is)
        transport.close()

    assert len(server.requests) == 3
    assert len(set(server.connections)) == 1


def test_threads_do_not_share_a_connection() -> None:
    """Calls of eight threads each get their own answer, over at most eight connections."""
    with serving(Answer(body=b"")) as server:
        transport = transport_to(server)
        start = threading.Barrier(8)
        got: dict[str, object] = {}

        def work(thread: int) -> None:
            start.wait(5)
            for turn in range(20):
                path = f"/{thread}/{turn}"
                got[path] = transport.call("GET", path, read=as_is)

        threads = [threading.Thread(target=work, args=(each,)) for each in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(10)
        transport.close()

    paths = [f"/{thread}/{turn}" for thread in range(8) for turn in range(20)]
    assert got == {path: path for path in paths}
    assert len(set(server.connections)) <= 8


@pytest.mark.parametrize("sends_close", [True, False])
@pytest.mark.parametrize("budget", [0, 5])
def test_a_stale_connection_is_replaced(sends_close: bool, budget: float) -> None:  # noqa: FBT001
    """A kept connection that the server closed, announced or not, is replaced without an error."""
    gone = Answer(body=b"1", hangs_up=True, sends_close=sends_close)
    with serving(gone, Answer(body=b"2")) as server:
        transport = transport_to(server)
        first = transport.call("GET", "/", read=as_is)
        assert server.hung_up.acquire(timeout=5)

        second = transport.call("GET", "/", read=as_is, budget=budget)
        transport.close()

    assert (first, second) == (1, 2)
    assert len(set(server.connections)) == 2


def test_one_dead_connection_closes_the_idle_ones() -> None:
    """After a restart of the server one failed try closes all connections to the old process."""
    with serving(Answer(held=True)) as old:
        transport = transport_to(old)
        threads = [
            threading.Thread(target=transport.call, args=("GET", "/"), kwargs={"read": as_is})
            for _ in range(5)
        ]
        for each in threads:
            each.start()
        wait_until(lambda: len(old.requests) == 5, what="five calls at once")
        old.released.set()
        for each in threads:
            each.join(5)
        assert len(transport._idle) == 5
    with serving(Answer(body=b"2"), port=old.server_port) as new:
        # Five tries that fail would need pauses of at least 0.31 s.
        answer = transport.call("GET", "/", read=as_is, budget=0.25)
        left = len(transport._idle)
        transport.close()

    assert (answer, len(new.requests), left) == (2, 1, 1)


def test_a_late_answer_is_never_taken_for_the_next() -> None:
    """The connection of a call that timed out is not used again: its answer may still come."""
    with serving(Answer(body=b'"old"', held=True), Answer(body=b'"new"')) as server:
        transport = transport_to(server, attempt=0.05)

        assert transport.call("GET", "/", read=as_is) == "new"
        server.released.set()
        assert transport.call("GET", "/", read=as_is) == "new"
        transport.close()

    first, *others = server.connections
    assert len(others) == 2
    assert first not in others


def test_a_call_that_ends_after_the_close_keeps_no_connection() -> None:
    """A thread that waits for an answer when the transport is closed leaves no socket open."""
    with serving(Answer(held=True)) as server:
        transport = transport_to(server)
        thread = threading.Thread(target=transport.call, args=("GET", "/"), kwargs={"read": as_is})
        thread.start()
        wait_until(lambda: server.requests, what="a call under way")
        transport.close()
        server.released.set()
        thread.join(5)

    assert len(transport._idle) == 0

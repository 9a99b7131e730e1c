"""What a gateway sees of a real worker that is killed, stopped, frozen or busy."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from shared.presence import Bye, Claimed, Ended
from tests.support.processes import wait_until
from tests.support.stack import PRESENCE_SECRET
from tests.support.worker.gateways import ScriptedGateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.presence import FromWorker
    from tests.support.processes import Process
    from tests.support.stack import Stack
    from tests.support.worker.gateways import Connection

NOTICED_SECONDS = 2.0
"""Seconds in which the end of a connection is seen, also on a busy machine."""


@pytest.fixture(name="gateway")
def _gateway() -> Iterator[ScriptedGateway]:
    with ScriptedGateway() as gateway:
        yield gateway


@pytest.fixture(name="worker")
def _worker(bare_stack: Stack, gateway: ScriptedGateway) -> Process:
    """Return a worker that tells the gateway."""
    return bare_stack.add_worker(
        "a",
        "tests.support.worker.stuck",
        WORKER_GATEWAYS=f"127.0.0.1:{gateway.address.port}",
        PRESENCE_SECRET=PRESENCE_SECRET,
    )


def is_claimed(connection: Connection, id: str) -> bool:
    """Return whether a claim of the execution was told."""
    return any(each.execution == id for each in claims(connection.messages))


def claims(messages: list[FromWorker]) -> list[Claimed]:
    """Return the claims among messages."""
    return [each for each in list(messages) if isinstance(each, Claimed)]


def test_a_killed_worker_whose_child_lives_on(
    bare_stack: Stack, worker: Process, gateway: ScriptedGateway, job: str, tmp_path: Path
) -> None:
    """A process that user code has forked does not keep the connection of a dead worker open."""
    told = gateway.restated()
    bare_stack.create(job, "leave_child", str(tmp_path / "child"))
    wait_until(lambda: is_claimed(told, job), what="the claim")
    child = int(wait_until(lambda: read(tmp_path / "child"), what="the child"))
    try:
        assert told.lost is None
        worker.kill()

        wait_until(lambda: told.lost, seconds=NOTICED_SECONDS, what="the end of the connection")
        os.kill(child, 0)  # it lives
        assert Bye() not in told.messages
    finally:
        os.kill(child, signal.SIGKILL)


def read(path: Path) -> str:
    """Return what a file has, empty if there is none."""
    return path.read_text() if path.exists() else ""


def test_a_busy_worker_lives(
    bare_stack: Stack, worker: Process, gateway: ScriptedGateway, job: str
) -> None:
    """User code that lets no other thread run for seconds does not end the connection."""
    told = gateway.restated()
    bare_stack.create(job, "hold_interpreter", 5)
    wait_until(lambda: is_claimed(told, job), what="the claim")

    wait_until(lambda: told.told(Ended), what="the end of the execution")
    assert told.lost is None
    assert len(gateway.connections) == 1
    assert bare_stack.outcome(job)["status"] == "resolved"


def test_a_frozen_worker_lives(
    worker: Process, bare_stack: Stack, gateway: ScriptedGateway, job: str
) -> None:
    """A worker that is stopped for longer than a lease keeps its connection, and goes on."""
    told = gateway.restated()
    worker.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: told.lost or time.monotonic() - stopped > 3.5, what="the end of a pause")
    assert told.lost is None
    worker.signal(signal.SIGCONT)

    bare_stack.create(job, "hang", 0.01)
    wait_until(lambda: is_claimed(told, job), what="the claim")
    assert len(gateway.connections) == 1


def test_a_worker_that_stops_says_goodbye(
    bare_stack: Stack, gateway: ScriptedGateway, job: str
) -> None:
    """The goodbye comes last, when the server has back what the worker held."""
    worker = bare_stack.add_worker(
        "a",
        "tests.support.worker.stuck",
        WORKER_GATEWAYS=f"127.0.0.1:{gateway.address.port}",
        PRESENCE_SECRET=PRESENCE_SECRET,
        WORKER_DRAIN_SECONDS="0",
    )
    told = gateway.restated()
    bare_stack.create(job, "hang", 60)
    wait_until(lambda: bare_stack.starts(job), what="the step")

    assert worker.stop() == 0
    wait_until(lambda: told.lost, what="the end of the connection")
    assert told.messages[-1] == Bye()
    assert told.lost == "in order"
    (stopped,) = worker.events("worker stopped")
    assert stopped["handed_back"] == 1

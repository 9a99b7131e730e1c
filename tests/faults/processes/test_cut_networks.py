"""A worker on a host of its own, whose network is cut by the kernel while the worker lives.

The worker `a` has one link to the gateway and another one to the server.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.faults.presence.namespaces import Host, Link, other_host, refusal
from tests.support.faults.presence.seen import connections, deaths, mistakes
from tests.support.faults.starts import Starts
from tests.support.processes import wait_until
from tests.support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    type Cut = Callable[[Link], None]

REFUSAL: Final = refusal()
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(REFUSAL is not None, reason=f"{REFUSAL}"),
    pytest.mark.parametrize("cut", [Link.silence, Link.take_down]),
]

ANYWHERE: Final = "0.0.0.0"
LEASE: Final = 2.0
PACE: Final = 1.5
LONG_PACE: Final = 3.0
"""Seconds of each step, and of those that last until another worker has been started."""

JOBS: Final = 5
AT_ONCE: Final = 1.0

HALF_OPEN_SECONDS: Final = LEASE + 2.0
"""Seconds in which both ends know that a silent connection is over: a lease, and the seconds until
the kernel asks for the first time."""


@pytest.fixture(name="host")
def _host() -> Iterator[Host]:
    with other_host() as host:
        yield host


@pytest.fixture(name="divided")
def _divided(tmp_path: Path, host: Host) -> Iterator[Stack]:
    """Yield a service whose worker `a` is on the other host."""
    seen_anywhere = {"GATEWAY_PRESENCE_HOST": ANYWHERE}
    with running_stack(
        tmp_path,
        workers=0,
        lease_seconds=LEASE,
        gateway=seen_anywhere,
        presence=True,
        host=ANYWHERE,
    ) as stack:
        stack.launchers["a"] = host.launcher
        stack.add_worker(
            "a",
            RESONATE_HOST=f"http://{host.to_server.here}",
            WORKER_GATEWAYS=f"{host.to_gateway.here}:{presence_port(stack)}",
        )
        wait_until(lambda: connections(presence_port(stack)) == 1, what="the worker at the gateway")
        yield stack


def presence_port(stack: Stack) -> int:
    """Return the port at which workers connect to the gateway."""
    return int(stack.gateways["gateway"].environment["GATEWAY_PRESENCE_PORT"])


def begun_at_a(stack: Stack, job: str) -> tuple[Starts, list[str]]:
    """Begin executions that `a` runs, and start `b`, which is where the gateway and server are."""
    starts, ids = Starts(lambda: stack.workers), [f"{job}-{number}" for number in range(JOBS)]
    for id in ids:
        stack.begin(id, "checkout", {"pace": PACE})
    assert {starts.holder(id) for id in ids} == {"a"}
    stack.add_worker("b")
    return starts, ids


def check_results(stack: Stack, starts: Starts, ids: list[str], repeated: int) -> None:
    """Check that each execution has one result, and that so many steps at most were repeated."""
    for id in ids:
        ended = stack.outcome(id, 40)
        assert (ended["status"], list(ended["result"]["receipts"])) == ("resolved", CHECKOUT)
        assert [step["name"] for step in ended["steps"]] == CHECKOUT
        steps = [(start.worker, start.step) for start in starts.of(id)]
        assert len(steps) <= len(CHECKOUT) + repeated, steps


def check_works(stack: Stack, job: str) -> None:
    """Check that `a` runs executions, with `b` stopped, and that the gateway sees it."""
    stack.workers["b"].stop()
    wait_until(lambda: connections(presence_port(stack)) == 1, what="the worker at the gateway")
    starts = Starts(lambda: stack.workers)
    stack.begin(f"{job}-after", "checkout", {"pace": LONG_PACE})
    assert starts.holder(f"{job}-after") == "a"
    stack.workers["b"].start()
    stack.workers["b"].started("stream opened")
    assert starts.kill_holder(f"{job}-after") < AT_ONCE
    check_results(stack, starts, [f"{job}-after"], repeated=1)


def half_open(stack: Stack, port: int) -> int:
    """Return how many connections `a` has to a port, as its own kernel knows."""
    table = Path(f"/proc/{stack.workers['a'].pid}/net/tcp")
    rows = [row.split() for row in table.read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_without_the_gateway(divided: Stack, host: Host, job: str, cut: Cut) -> None:
    """A worker that reaches the server works on; nobody takes it for dead."""
    port = presence_port(divided)
    starts, ids = begun_at_a(divided, job)
    wait_until(lambda: connections(port) == 2, what="both workers at the gateway")

    cut(host.to_gateway)
    cut_at = time.monotonic()
    wait_until(lambda: connections(port) == 1, seconds=10, what="the end at the gateway")
    wait_until(lambda: half_open(divided, port) == 0, seconds=10, what="the end at the worker")
    assert time.monotonic() - cut_at < HALF_OPEN_SECONDS
    check_results(divided, starts, ids, repeated=0)
    assert {start.worker for id in ids for start in starts.of(id)} == {"a"}
    assert (deaths(divided), mistakes(divided)) == ([], [])

    host.to_gateway.heal()
    check_works(divided, job)


def test_without_the_server(divided: Stack, host: Host, job: str, cut: Cut) -> None:
    """A gateway that sees a worker does not keep what the server misses: the leases decide."""
    starts, ids = begun_at_a(divided, job)

    began = time.time()
    cut(host.to_server)
    moved = [starts.next_elsewhere(id, "a", began) - began for id in ids]
    assert min(moved) > LEASE / 3
    check_results(divided, starts, ids, repeated=1)
    assert (deaths(divided), mistakes(divided)) == ([], [])
    assert divided.workers["a"].running()

    host.to_server.heal()
    check_works(divided, job)


def test_without_both(divided: Stack, host: Host, job: str, cut: Cut) -> None:
    """Of a host that vanishes nobody hears an end: the leases decide, and it comes back."""
    starts, ids = begun_at_a(divided, job)
    port = presence_port(divided)

    began = time.time()
    for link in (host.to_gateway, host.to_server):
        cut(link)
    for id in ids:
        starts.next_elsewhere(id, "a", began)
    wait_until(lambda: connections(port) == 1, seconds=10, what="the end at the gateway")
    check_results(divided, starts, ids, repeated=1)
    assert (deaths(divided), mistakes(divided)) == ([], [])

    for link in (host.to_gateway, host.to_server):
        link.heal()
    check_works(divided, job)

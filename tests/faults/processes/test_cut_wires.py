"""The network between a worker and a gateway, or the server, is cut while the worker lives."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.faults.presence.cuts import HOST, Wire, wire_to
from tests.support.faults.presence.seen import connections, deaths, mistakes, wait_until_seen
from tests.support.faults.starts import Starts
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.stack import Stack

    type Cut = Callable[[Wire], None]

pytestmark = pytest.mark.parametrize("presence", [True])

PACE = 1.2
"""Seconds of each step: all five outlast the start of a second worker on a busy machine."""

AT_ONCE = 1.0


@pytest.fixture(name="to_gateway")
def _to_gateway(bare_stack: Stack) -> Iterator[Wire]:
    """Yield the wire between the worker `a` and the gateway; `b` has one that is never cut."""
    port = int(bare_stack.gateways["gateway"].environment["GATEWAY_PRESENCE_PORT"])
    with wire_to(port) as wire:
        bare_stack.add_worker("a", WORKER_GATEWAYS=f"{HOST}:{wire.port}")
        wait_until(lambda: connections(port) == 1, what="the worker at the gateway")
        yield wire


def held_by_a(stack: Stack, job: str) -> Starts:
    """Begin an execution that `a` runs, and start `b`."""
    starts = Starts(lambda: stack.workers)
    stack.begin(job, "checkout", {"pace": PACE})
    assert starts.holder(job) == "a"
    stack.add_worker("b")
    return starts


def check_result(stack: Stack, starts: Starts, job: str, repeated: int) -> None:
    """Check the result, and that so many steps at most were repeated."""
    ended = stack.outcome(job, 40)
    assert (ended["status"], list(ended["result"]["receipts"])) == ("resolved", CHECKOUT)
    assert len(starts.of(job)) <= len(CHECKOUT) + repeated


def test_silence_is_no_death(bare_stack: Stack, job: str, to_gateway: Wire) -> None:
    """A worker that the gateway hears nothing of works on; it is heard again when it can be."""
    starts = held_by_a(bare_stack, job)
    to_gateway.silence()

    check_result(bare_stack, starts, job, repeated=0)
    assert {start.worker for start in starts.of(job)} == {"a"}
    assert (deaths(bare_stack), mistakes(bare_stack)) == ([], [])

    bare_stack.workers["b"].stop()
    bare_stack.begin(f"{job}-unheard", "checkout", {"pace": PACE})
    assert starts.holder(f"{job}-unheard") == "a"
    bare_stack.workers["b"].start()
    bare_stack.workers["b"].started("stream opened")
    to_gateway.heal()
    wait_until_seen(bare_stack)
    assert starts.kill_holder(f"{job}-unheard") < AT_ONCE


def test_a_death_in_silence_costs_a_lease(bare_stack: Stack, job: str, to_gateway: Wire) -> None:
    """Of a worker that dies unheard no gateway knows, so its leases decide."""
    starts = held_by_a(bare_stack, job)
    to_gateway.silence()

    assert starts.kill_holder(job) > AT_ONCE

    assert deaths(bare_stack) == []
    check_result(bare_stack, starts, job, repeated=1)


def test_a_worker_that_cannot_come_back(bare_stack: Stack, job: str, to_gateway: Wire) -> None:
    """A living worker that is cut off for good loses its claim: a step is repeated, no more.

    It works on, and the gateway counts its mistake as soon as it hears of it again.
    """
    starts = held_by_a(bare_stack, job)
    to_gateway.reset()

    wait_until(lambda: deaths(bare_stack) == ["a"], what="the mistake")
    check_result(bare_stack, starts, job, repeated=1)
    assert mistakes(bare_stack) == []

    to_gateway.heal()
    wait_until(lambda: mistakes(bare_stack) == ["a"], what="the count of the mistake")
    bare_stack.workers["b"].stop()
    bare_stack.begin(f"{job}-after")
    assert bare_stack.outcome(f"{job}-after")["status"] == "resolved"


def test_a_connection_that_breaks_once(bare_stack: Stack, job: str, to_gateway: Wire) -> None:
    """A worker connects again at once; even if that takes too long, at most a step is repeated."""
    starts = held_by_a(bare_stack, job)
    for _ in range(3):
        to_gateway.reset()
        to_gateway.heal()
        wait_until_seen(bare_stack)

    check_result(bare_stack, starts, job, repeated=len(deaths(bare_stack)))
    assert len(deaths(bare_stack)) == len(mistakes(bare_stack))


@pytest.mark.parametrize("cut", [Wire.silence, Wire.reset])
def test_a_worker_without_the_server(bare_stack: Stack, job: str, cut: Cut) -> None:
    """A gateway that sees a worker does not keep the execution of one that the server misses."""
    server = bare_stack.server
    with wire_to(server.store_port) as store, wire_to(server.message_port) as messages:
        cut_off = bare_stack.add_worker(
            "a",
            RESONATE_HOST=f"http://{HOST}",
            RESONATE_PORT_STORE=str(store.port),
            RESONATE_PORT_MESSAGE_SOURCE=str(messages.port),
        )
        wait_until_seen(bare_stack)
        starts = held_by_a(bare_stack, job)
        began = time.time()
        for wire in (store, messages):
            cut(wire)

        starts.next_elsewhere(job, "a", began)
        check_result(bare_stack, starts, job, repeated=1)
        assert (deaths(bare_stack), mistakes(bare_stack)) == ([], [])

        for wire in (store, messages):
            wire.heal()
        bare_stack.workers["b"].stop()
        bare_stack.begin(f"{job}-after")
        assert bare_stack.outcome(f"{job}-after", 30)["status"] == "resolved"
        assert cut_off.running()

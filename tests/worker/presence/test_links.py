"""Connections to all gateways: made, kept, lost and made again."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from shared.presence import Address, Bye, Refusal, Welcome, line_of
from tests.support.processes import wait_until
from tests.support.worker.gateways import HELLO, WELCOME, ScriptedGateway
from worker.presence import links
from worker.presence.addresses import Addresses
from worker.presence.links import FIRST_PAUSE, LONGEST_PAUSE, MOST_GATEWAYS, Links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict

EVERYTHING = b'["restated"]\n["restated",true]\n'

GRACE_SECONDS = 0.02
"""Seconds after which a gateway takes a worker for dead that does not connect again."""


class Known(Addresses):
    """Addresses that a test has written down, and their siblings."""

    def __init__(self, *known: Address) -> None:
        super().__init__(known)
        self.be(*known)

    def be(self, *known: Address) -> None:
        """Know these addresses only."""
        self._found = {each: (each,) for each in known}


@contextlib.contextmanager
def turning(known: Addresses) -> Iterator[Links]:
    """Yield links whose turns a thread makes until the block ends."""
    made = Links(known, line_of(HELLO), 60.0, threading.Lock(), lambda: EVERYTHING)
    closed = threading.Event()

    def turn() -> None:
        while not closed.is_set():
            made.turn(0.02)
        made.close()

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield made
    finally:
        closed.set()
        thread.join(10)
        assert not thread.is_alive()


def at(*gateways: ScriptedGateway) -> Known:
    """Return the addresses of these gateways."""
    return Known(*(gateway.address for gateway in gateways))


def test_every_gateway_is_told() -> None:
    """Each gateway is told everything first, and then what is new."""
    with ScriptedGateway() as one, ScriptedGateway() as two, turning(at(one, two)) as made:
        told = [gateway.restated() for gateway in (one, two)]
        made.tell(line_of(Bye()))

        for each in told:
            wait_until(lambda each=each: each.told(Bye), what="news")  # type: ignore[misc]
            assert each.messages[0] == HELLO


@pytest.mark.alone
def test_a_lost_connection_is_made_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that has ended a lasting connection does not take the worker for dead."""
    monkeypatch.setattr(links, "LASTING_SECONDS", 0.0)
    seconds = []
    with ScriptedGateway() as gateway, turning(at(gateway)) as made:
        for number in range(1, 8):
            connection = gateway.restated(number)
            began = time.monotonic()
            connection.hang_up()
            gateway.connection(number + 1)
            seconds.append(time.monotonic() - began)
        _, pause = made._due[gateway.address]

    assert min(seconds) < GRACE_SECONDS
    assert pause == 2 * FIRST_PAUSE, "it begins anew"


def test_a_gateway_is_started_again() -> None:
    """A gateway that was away for a while is told everything anew once it is back."""
    known = Known()
    with turning(known):
        with ScriptedGateway() as gateway:
            known.be(gateway.address)
            gateway.restated()
        with ScriptedGateway(port=gateway.address.port) as again:
            assert again.restated().messages[0] == HELLO


@pytest.mark.parametrize("answer", [WELCOME, b"", b"garbage\n"], ids=["welcome", "none", "garbage"])
def test_a_gateway_that_hangs_up_is_not_stormed(answer: bytes) -> None:
    """The pauses before new connections grow, whatever the gateway says before it hangs up."""
    with ScriptedGateway(answer, hangs_up=True) as gateway, turning(at(gateway)) as made:
        began, cpu = time.monotonic(), time.process_time()
        gateway.connection(6)
        due, pause = made._due[gateway.address]

        assert pause >= 16 * FIRST_PAUSE
        wait_until(lambda: time.monotonic() - began > 1, what="the end of a second")
        assert len(gateway.connections) <= 10
        assert time.process_time() - cpu < 0.5
        assert due < began + 2 * LONGEST_PAUSE


def test_pauses_have_a_longest(closed_port: int) -> None:
    """However long no gateway is there, a new one waits for seconds only."""
    address = Address("127.0.0.1", closed_port)
    with turning(Known(address)) as made:
        wait_until(lambda: address in made._due)
        made._put_off(address, LONGEST_PAUSE)
        due, pause = made._due[address]

    assert pause == LONGEST_PAUSE
    assert due - time.monotonic() <= 1.5 * LONGEST_PAUSE


def test_no_answer_is_no_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that does not answer in time is told that the worker lives, and tried again.

    It may be frozen, and read all of that later.
    """
    monkeypatch.setattr(links, "CONNECTING_SECONDS", 0.1)
    with ScriptedGateway(b"") as gateway, turning(at(gateway)):
        gateway.connection(3)

        for connection in gateway.connections[:2]:
            wait_until(lambda connection=connection: connection.lost)  # type: ignore[misc]
            assert connection.messages[0] == HELLO
            assert connection.messages[-1] == Bye()


def test_garbage_is_no_death() -> None:
    """A gateway that this worker does not understand is told that the worker lives."""
    with ScriptedGateway(b'["greetings"]\n') as gateway, turning(at(gateway)):
        connection = gateway.connection()
        wait_until(lambda: connection.lost)

        assert connection.messages[-1] == Bye()


@contextlib.contextmanager
def black_hole() -> Iterator[Address]:
    """Yield an address that answers nothing at all: its listener has no room for connections."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        for _ in range(3):
            waiting = opened.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(address)
        yield Address(*address)


@pytest.mark.alone
def test_an_address_that_never_answers_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile other gateways are told, and the attempt is given up in the end."""
    monkeypatch.setattr(links, "CONNECTING_SECONDS", 0.3)
    with (
        black_hole() as hole,
        ScriptedGateway() as gateway,
        turning(Known(hole, gateway.address)) as made,
    ):
        gateway.restated()
        began = time.monotonic()
        made.tell(line_of(Bye()))
        connection = gateway.connection()
        wait_until(lambda: connection.told(Bye), what="news")
        assert time.monotonic() - began < 0.3
        first = made._links[hole]
        assert first.welcome is None

        wait_until(lambda: made._links.get(hole) is not first, what="the end of the attempt")


def test_a_refusal_is_logged_once(log: list[EventDict]) -> None:
    """The reason is logged, not with each attempt, and attempts become rare."""
    refusal = line_of(Refusal("another secret"))
    with (
        ScriptedGateway() as other,
        ScriptedGateway(refusal, hangs_up=True) as gateway,
        turning(at(other, gateway)) as made,
    ):
        other.restated()
        gateway.connection(1)
        began = time.monotonic()
        gateway.connection(2)
        assert time.monotonic() - began > LONGEST_PAUSE / 3
        wait_until(lambda: gateway.address not in made._links, what="the second refusal")

    refused = [event for event in log if event["event"] == "gateway refuses this worker"]
    assert [(event["reason"], event["log_level"]) for event in refused] == [
        ("another secret", "warning")
    ]
    assert refused[0]["gateway"] == f"127.0.0.1:{gateway.address.port}"


def test_it_is_logged_that_no_gateway_is_there(
    closed_port: int, log: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged once when there is none for a while, and once when there is one again."""
    monkeypatch.setattr(links, "REPORTED_AFTER_SECONDS", 0.1)
    known = Known(Address("127.0.0.1", closed_port))

    def warnings() -> int:
        return sum(event["log_level"] == "warning" for event in log)

    with ScriptedGateway() as gateway, turning(known):
        wait_until(warnings, what="the warning")
        monkeypatch.setattr(links, "REPORTED_AFTER_SECONDS", 60.0)
        known.be(known.current()[0], gateway.address)
        gateway.restated()
        wait_until(
            lambda: any(event["event"] == "gateways see this worker" for event in log),
            what="its end",
        )
        gateway.connection().hang_up()
        gateway.restated(2)

    assert warnings() == 1


def test_all_processes_of_a_gateway_are_told() -> None:
    """A process of a gateway says where the others are, and the worker connects to each."""
    with ScriptedGateway() as sibling:
        ports = [sibling.address.port, sibling.address.port]
        with ScriptedGateway(line_of(Welcome("g", ports))) as gateway, turning(at(gateway)):
            sibling.restated()


def test_connections_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with very many addresses, or with ever others, does not use up the sockets."""
    monkeypatch.setattr(links, "MOST_GATEWAYS", 2)
    with contextlib.ExitStack() as opened:
        gateways = [opened.enter_context(ScriptedGateway()) for _ in range(5)]
        known = at(*gateways[:3])
        made = opened.enter_context(turning(known))
        for gateway in gateways[:2]:
            gateway.restated()
        known.be(*(gateway.address for gateway in gateways[3:]))
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 0.2, what="some turns")

        assert len(made._links) == 2
        gateways[0].connection().hang_up()
        wait_until(lambda: len(made._links) == 1 or gateways[3].connections, what="a place")
        gateways[3].restated()
        assert not gateways[2].connections
    assert MOST_GATEWAYS == 16


def test_pauses_of_addresses_that_have_gone_are_forgotten(closed_port: int) -> None:
    """However often a name changes, nothing grows."""
    known = Known(Address("127.0.0.1", closed_port))
    with turning(known) as made:
        wait_until(lambda: made._due, what="an attempt")
        known.be()
        wait_until(lambda: not made._due, what="the end of its pauses")

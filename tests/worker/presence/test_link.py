"""One connection to a gateway: what it sends, and how it breaks."""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import time
from typing import TYPE_CHECKING

import pytest

from shared.presence import LINE_BYTES, Address, Bye, Claimed, Hello, Refusal, Welcome, line_of
from tests.support.processes import wait_until
from tests.support.worker.gateways import HELLO, ScriptedGateway
from worker.presence.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLAIM = line_of(Claimed("__invoke:a", 1, "a"))
EVERYTHING = line_of(Claimed("__invoke:all", 1, "all"))


@contextlib.contextmanager
def link_to(gateway: ScriptedGateway) -> Iterator[Link]:
    """Yield a link, closed at the end."""
    link = Link(gateway.address, line_of(HELLO))
    try:
        yield link
    finally:
        link.close()


def drive(link: Link, done: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Do what the socket is ready for until something is done. Raises `OSError`."""
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        while not done():
            assert time.monotonic() < end, "not done in time"
            selector.register(link.socket, link.wanted)
            for _, events in selector.select(0.01):
                if events & selectors.EVENT_WRITE:
                    link.flush(60)
                if events & selectors.EVENT_READ:
                    link.receive()
            selector.unregister(link.socket)


def connected(link: Link) -> Link:
    """Return the link once it is welcome and has told everything."""
    drive(link, lambda: link.welcome)
    link.restate(lambda: EVERYTHING)
    assert not link.behind
    return link


def test_it_begins_with_a_greeting() -> None:
    """The greeting is the first line, and what there is to say comes before what is new."""
    with ScriptedGateway() as gateway, link_to(gateway) as link:
        link.tell(CLAIM)  # nothing goes out before everything has been told
        connected(link).tell(CLAIM)

        told = gateway.connection().messages
        wait_until(lambda: len(told) == 3)
        assert told == [HELLO, Claimed("__invoke:all", 1, "all"), Claimed("__invoke:a", 1, "a")]
        assert link.welcome == Welcome("gateway", [])


def test_it_speaks_ipv6() -> None:
    """A gateway may have an IPv6 address."""
    with ScriptedGateway(host="::1") as gateway, link_to(gateway) as link:
        connected(link)


def test_a_gateway_that_does_not_read_holds_up_nobody() -> None:
    """The link falls behind, keeps little, and tells everything anew once the gateway reads."""
    with ScriptedGateway() as gateway, link_to(gateway) as link:
        connected(link)
        gateway.reads.clear()
        line = line_of(Claimed("__invoke:a", 1, "x" * 900))
        began = time.monotonic()
        for _ in range(50_000):  # far more than the two kernels keep
            link.tell(line)
        assert time.monotonic() - began < 5
        assert link.behind
        assert len(link._unsent) <= len(line)
        link.restate(lambda: EVERYTHING)
        assert link.behind, "the rest of a line must go out first"

        gateway.reads.set()
        drive(link, lambda: not link._unsent)
        link.tell(CLAIM)  # it is still behind, so this is part of everything
        link.restate(lambda: EVERYTHING)

        told = gateway.connection().messages
        wait_until(lambda: told[-1] == Claimed("__invoke:all", 1, "all"), what="everything")
        assert Claimed("__invoke:a", 1, "a") not in told
        assert not link.behind


def test_much_to_say_goes_out_in_pieces() -> None:
    """All that a worker holds may be more than a kernel takes at once."""
    everything = EVERYTHING * 200_000
    with ScriptedGateway() as gateway, link_to(gateway) as link:
        drive(link, lambda: link.welcome)
        link.restate(lambda: everything)
        assert link._unsent
        link.tell(CLAIM)
        assert link.behind

        drive(link, lambda: not link._unsent, seconds=30)

        told = gateway.connection()
        wait_until(lambda: len(told.messages) == 200_001, what="everything")


def test_nobody_listens(closed_port: int) -> None:
    """A refused connection is an error once it is noticed."""
    link = Link(Address("127.0.0.1", closed_port), b"hello\n")
    with contextlib.closing(link), pytest.raises(ConnectionRefusedError):
        drive(link, lambda: False)


def test_no_way_leads_there() -> None:
    """An address to which there is no way is an error at once, and leaves no open socket."""
    with pytest.raises(OSError, match="unreachable"):
        Link(Address("255.255.255.255", 1), b"hello\n")


@pytest.mark.parametrize("how", [socket.SHUT_RDWR, socket.SHUT_WR], ids=["closed", "half closed"])
def test_the_gateway_closes(how: int) -> None:
    """A gateway that says nothing more counts as lost, also if it would still listen."""
    with ScriptedGateway() as gateway, link_to(gateway) as link:
        connected(link)
        gateway.connection().hang_up(how)

        with pytest.raises(ConnectionResetError):
            drive(link, lambda: False)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xfe\n",
        b"\n",
        b"null\n",
        b'["welcome"]\n',
        b'["welcome","gateway",[0]]\n',
        b'["welcome","gateway",[65536]]\n',
        b'["welcome","gateway",["5002"]]\n',
        b'["hello","gateway",[]]\n',
        b'["welcome","gateway",[],' + b"[" * 100_000 + b"\n",
        b"x" * (LINE_BYTES + 1),
    ],
    ids=lambda answer: str(answer[:24]),
)
def test_it_is_no_gateway(answer: bytes) -> None:
    """Whatever a gateway would not say ends the connection."""
    with ScriptedGateway(answer) as gateway, link_to(gateway) as link:
        with pytest.raises(ConnectionAbortedError, match="no gateway"):
            drive(link, lambda: False)
        assert link.welcome is None


def test_an_answer_comes_in_pieces() -> None:
    """A line counts once it is complete; a newer gateway may say more with it."""
    with ScriptedGateway(b"") as gateway, link_to(gateway) as link:
        drive(link, lambda: not link._unsent)
        connection = gateway.connection()
        wait_until(lambda: connection.messages)
        connection.say(b'["welcome","gate')
        with pytest.raises(AssertionError, match="not done in time"):
            drive(link, lambda: link.welcome, seconds=0.1)
        connection.say(b'way",[5002,5003],"more"]\n')

        drive(link, lambda: link.welcome)
        assert link.welcome == Welcome("gateway", [5002, 5003])


def test_a_refusal_has_a_reason() -> None:
    """The reason is known when the gateway closes the connection."""
    refusal = line_of(Refusal("another secret"))
    with ScriptedGateway(refusal, hangs_up=True) as gateway, link_to(gateway) as link:
        with pytest.raises(ConnectionResetError):
            drive(link, lambda: False)

        assert (link.refusal, link.welcome) == ("another secret", None)


def test_it_says_goodbye() -> None:
    """A gateway learns that the worker ends the connection, and does not die."""
    with ScriptedGateway() as gateway:
        with link_to(gateway) as link:
            connected(link)
        connection = gateway.connection()
        wait_until(lambda: connection.lost)

        assert connection.messages[-1] == Bye()
        assert connection.lost == "in order"


def test_a_goodbye_to_a_gateway_that_was_told_nothing() -> None:
    """Also a gateway that has only got the greeting learns that the worker lives."""
    with ScriptedGateway(b"") as gateway:
        with link_to(gateway) as link:
            drive(link, lambda: link._connected and not link._unsent)
        connection = gateway.connection()
        wait_until(lambda: connection.lost)

        assert [type(message) for message in connection.messages] == [Hello, Bye]


def test_no_goodbye_within_a_line() -> None:
    """A link that has sent half a line, or none, closes without a word."""
    with ScriptedGateway() as gateway:
        with link_to(gateway) as link:
            connected(link)
            gateway.reads.clear()
            while not link.behind:
                link.tell(CLAIM)
            gateway.reads.set()
            wait_until(lambda: select.select((), (link.socket,), (), 0)[1], what="room")
        connection = gateway.connection()
        wait_until(lambda: connection.lost)

        assert Bye() not in connection.messages
        Link(gateway.address, b"hello\n").close()


def test_a_link_local_address_is_met_by_its_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of the interface is handed to the kernel, which takes none within the host."""
    targets: list[object] = []

    def connect(link: Link, target: tuple[object, ...]) -> None:
        targets.append(target)

    monkeypatch.setattr(Link, "_begin_to_connect", connect)
    Link(Address("fe80::1%1", 5002), b"hello\n").close()

    assert [target[1:] for target in targets if isinstance(target, tuple)] == [(5002, 0, 1)]

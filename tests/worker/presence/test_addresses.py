"""Gateways are found by their names, again and again."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from shared.presence import Address
from tests.support.processes import wait_until
from worker.presence import addresses
from worker.presence.addresses import Addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    type Answers = dict[str, list[Any] | Exception]


@pytest.fixture(name="answers")
def _answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Return what a name server answers: for each name its socket addresses, or an error."""
    found: Answers = {}

    def look_up(host: str, port: int, **_: object) -> list[Any]:
        answer = found[host]
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in answer]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(addresses, "LOOK_SECONDS", 0.01)
    return found


@contextlib.contextmanager
def looking(*names: Address) -> Iterator[Addresses]:
    """Look these names up until the block ends."""
    looked = Addresses(names)
    looked.start()
    try:
        yield looked
    finally:
        looked.close()
        for thread in looked._threads:
            thread.join(5)


def becomes(looked: Addresses, *expected: Address) -> None:
    """Wait until these addresses are known, and no others."""
    wait_until(lambda: looked.current() == expected, seconds=10, what=f"{expected}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_number_stands_for_itself(host: str) -> None:
    """An IPv4 or an IPv6 address is an address as it is."""
    with looking(Address(host, 5002)) as looked:
        becomes(looked, Address(host, 5002))


def test_a_name_has_several_addresses(answers: Answers) -> None:
    """All addresses of all names are known, and none twice."""
    answers["a"] = [("10.0.0.1", 1), ("10.0.0.2", 1)]
    answers["b"] = [("10.0.0.2", 1), ("fd00::1", 1, 0, 0)]

    with looking(Address("a", 1), Address("b", 1)) as looked:
        becomes(looked, Address("10.0.0.1", 1), Address("10.0.0.2", 1), Address("fd00::1", 1))


def test_a_link_local_address_keeps_its_interface(answers: Answers) -> None:
    """Without its interface nobody can connect to such an address."""
    answers["a"] = [("fe80::1", 1, 0, 3)]
    answers["b"] = [("fe80::2%eth0", 1, 0, 3)]

    with looking(Address("a", 1), Address("b", 1)) as looked:
        becomes(looked, Address("fe80::1%3", 1), Address("fe80::2%eth0", 1))


def test_a_name_changes(answers: Answers) -> None:
    """What a name stood for before is forgotten."""
    answers["a"] = [("10.0.0.1", 1)]
    with looking(Address("a", 1)) as looked:
        becomes(looked, Address("10.0.0.1", 1))

        answers["a"] = [("10.0.0.2", 1)]

        becomes(looked, Address("10.0.0.2", 1))


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label empty")])
def test_a_name_is_not_found(answers: Answers, error: Exception) -> None:
    """It is looked up again, and what it stood for counts until there is something new."""
    answers["a"] = error
    answers["b"] = [("10.0.0.1", 1)]
    with looking(Address("a", 1), Address("b", 1)) as looked:
        becomes(looked, Address("10.0.0.1", 1))

        answers["b"] = error
        answers["a"] = [("10.0.0.3", 1)]

        becomes(looked, Address("10.0.0.3", 1), Address("10.0.0.1", 1))
        assert looked.is_alive()


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 64, "no-such-host.invalid"])
def test_no_name_ends_the_search(host: str) -> None:
    """Whatever the setting allows, and no resolver accepts, is only not found."""
    with looking(Address(host, 1), Address("127.0.0.1", 1)) as looked:
        becomes(looked, Address("127.0.0.1", 1))
        assert looked.is_alive()
        assert looked.current() == (Address("127.0.0.1", 1),)


def test_a_slow_name_holds_up_no_other(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer for long is no reason not to find the others."""
    answers["quick"] = [("10.0.0.1", 1)]
    quick: Callable[..., list[Any]] = socket.getaddrinfo
    released = threading.Event()

    def look_up(host: str, port: int, **options: object) -> list[Any]:
        if host == "slow":
            released.wait(30)
            raise socket.gaierror(-3, "no answer")
        return quick(host, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with looking(Address("slow", 1), Address("quick", 1)) as looked:
        becomes(looked, Address("10.0.0.1", 1))
        released.set()


def test_all_processes_of_a_gateway_are_known(answers: Answers) -> None:
    """One process of a gateway says at which ports of its host the others listen."""
    one, other = Address("10.0.0.1", 1), Address("10.0.0.1", 5)
    answers["a"], answers["b"] = [one], [other]
    with looking(Address("a", 1), Address("b", 5)) as looked:
        becomes(looked, one, other)

        looked.note_ports(one, [1, 2])
        looked.note_ports(other, [5, 6])
        looked.note_ports(Address("10.0.0.1", 2), [1, 2, 9])

        becomes(looked, one, other, Address("10.0.0.1", 2), Address("10.0.0.1", 6))


def test_the_processes_of_a_gateway_that_has_gone_are_forgotten(answers: Answers) -> None:
    """With its address the ports of a gateway's processes are gone as well."""
    gone, new = Address("10.0.0.1", 1), Address("10.0.0.2", 1)
    answers["a"] = [gone]
    with looking(Address("a", 1)) as looked:
        becomes(looked, gone)
        looked.note_ports(gone, [1, 2])
        answers["a"] = [new]
        becomes(looked, new)

        looked.note_ports(new, [1])
        looked.note_ports(gone, [1, 2])

        assert looked._siblings == {new: (new,)}

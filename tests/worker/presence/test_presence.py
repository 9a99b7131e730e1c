"""What gateways are told of a worker: in order, completely, and without anybody's waiting."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from shared.presence import (
    MOST_OFFERS,
    Address,
    Alive,
    Bye,
    Claimed,
    Ended,
    Offers,
    Restated,
    Running,
)
from tests.support.processes import wait_until
from tests.support.worker.gateways import (
    HELLO,
    ScriptedGateway,
    claimed,
    presence_at,
    running,
    tell_claim,
    tell_end,
    tell_step,
)
from worker.presence import presence as module
from worker.presence.addresses import Addresses
from worker.presence.links import Links
from worker.presence.presence import Presence
from worker.runtime import Worker

if TYPE_CHECKING:
    from shared.presence import FromWorker
    from tests.support.worker.gateways import Connection

THREADS = 64
CLAIMS = 50
"""Claims of one thread."""


def names(messages: list[FromWorker], kind: type[Claimed | Ended]) -> list[tuple[str, int]]:
    """Return the claims that messages of a kind are about."""
    return [(each.task, each.counter) for each in messages if isinstance(each, kind)]


def since_restated(connection: Connection) -> list[FromWorker]:
    """Return what was told once everything was, but for the signs of life."""
    told = [message for message in list(connection.messages) if message != Alive()]
    return told[told.index(Restated(complete=True)) + 1 :]


def test_a_claim_is_told_at_once() -> None:
    """A claim is out when the call returns; its end follows a moment later."""
    with ScriptedGateway() as gateway, presence_at(gateway.address) as presence:
        told = gateway.restated()
        tell_claim(presence, "a")
        tell_step(presence, "a")
        tell_end(presence, "a")

        wait_until(lambda: len(since_restated(told)) == 3, what="all")
        assert since_restated(told) == [claimed("a"), running("a"), Ended("a", 1)]


def test_an_end_is_told_with_the_next_claim() -> None:
    """An end that waits to be told comes before the next claim, also of the same task."""
    with ScriptedGateway() as gateway, presence_at(gateway.address) as presence:
        told = gateway.restated()
        for counter in range(1, 100):
            tell_claim(presence, "a", counter)
            tell_end(presence, "a", counter)

        wait_until(lambda: len(told.told(Ended)) == 99, what="all")
        expected = [each for n in range(1, 100) for each in (claimed("a", n), Ended("a", n))]
        assert since_restated(told) == expected


def test_what_is_over_does_not_run() -> None:
    """Nothing is told of a claim that is over or was never told, and its end is told once."""
    with ScriptedGateway() as gateway, presence_at(gateway.address) as presence:
        told = gateway.restated()
        tell_claim(presence, "a", 2)
        tell_end(presence, "a", 2)
        for late in (1, 2):
            tell_step(presence, "a", late)
            tell_end(presence, "a", late)
        tell_claim(presence, "b")

        wait_until(lambda: claimed("b") in told.messages, what="all")
        assert since_restated(told) == [claimed("a", 2), Ended("a", 2), claimed("b")]


def work(presence: Presence, thread: int) -> None:
    """Claim and end again and again, as a slot does."""
    for number in range(CLAIMS):
        task = f"{thread}-{number}"
        tell_claim(presence, task)
        tell_step(presence, task)
        if number % 10:  # the others stay
            tell_end(presence, task)


def test_many_threads_claim_at_once() -> None:
    """Each gateway is told everything of all threads, of each claim in order."""
    with (
        ScriptedGateway() as one,
        ScriptedGateway() as two,
        presence_at(one.address, two.address) as presence,
    ):
        connections = [one.restated(), two.restated()]
        threads = [threading.Thread(target=work, args=(presence, n)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        held = {(f"{thread}-{n}", 1) for thread in range(THREADS) for n in range(0, CLAIMS, 10)}
        for connection in connections:
            wait_until(lambda: left(connection.messages) == held, what="all")  # noqa: B023
            assert in_order(connection.messages)
            assert len(connection.told(Claimed)) == THREADS * CLAIMS


def left(messages: list[FromWorker]) -> set[tuple[str, int]]:
    """Return the claims that a gateway takes for held."""
    now = list(messages)
    return set(names(now, Claimed)) - set(names(now, Ended))


def in_order(messages: list[FromWorker]) -> bool:
    """Return whether each claim was told before what runs under it, and that before its end."""
    ranks: dict[tuple[str, int], list[int]] = {}
    for each in messages:
        if isinstance(each, Claimed | Running | Ended):
            rank = (Claimed, Running, Ended).index(type(each))
            ranks.setdefault((each.task, each.counter), []).append(rank)
    return all(found in ([0, 1], [0, 1, 2]) for found in ranks.values())


def test_claims_while_connections_break() -> None:
    """On each new connection everything comes first, and no claim that is held is missing."""
    with ScriptedGateway() as gateway, presence_at(gateway.address) as presence:
        threads = [threading.Thread(target=work, args=(presence, n)) for n in range(8)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            gateway.restated(number).hang_up()
        for thread in threads:
            thread.join(30)

        held = {(f"{thread}-{n}", 1) for thread in range(8) for n in range(0, CLAIMS, 10)}
        last = gateway.restated(9)
        wait_until(lambda: left(last.messages) == held, what="all")
        for connection in gateway.connections:
            assert connection.messages[:1] in ([], [HELLO])
            assert connection.messages[1:2] in ([], [Restated()])


def test_everything_is_told_to_a_gateway_that_comes_later() -> None:
    """That is what is held, runs and waits; nothing of what is over."""
    offers = [("offer-1", 1), ("offer-2", 7)]
    with (
        ScriptedGateway() as first,
        presence_at(first.address, offers=lambda: offers) as presence,
    ):
        told = first.restated()
        for task in ("a", "b", "c"):
            tell_claim(presence, task)
        tell_step(presence, "b")
        tell_end(presence, "c")
        wait_until(lambda: told.told(Ended) and told.told(Offers), what="all")
        told.hang_up()

        everything = first.restated(2).messages
        end = everything.index(Restated(complete=True))
        *claims, waiting = everything[:end]
        assert claims == [HELLO, Restated(), claimed("a"), claimed("b"), running("b")]
        assert isinstance(waiting, Offers)
        assert (sorted(waiting.added), waiting.removed) == (offers, [])


def test_offers_are_told_as_they_come_and_go() -> None:
    """Only what has changed is told, in lines of a bounded length."""
    offers: list[tuple[str, int]] = []
    with (
        ScriptedGateway() as gateway,
        presence_at(gateway.address, offers=lambda: list(offers)) as _,
    ):
        told = gateway.restated()
        offers += [(f"offer-{n}", 1) for n in range(500)]
        wait_until(lambda: sum(len(each.added) for each in offers_of(told)) == 500, what="all")
        offers[:2] = [("offer-0", 2)]
        wait_until(lambda: any(each.removed for each in offers_of(told)), what="the change")
        wait_until(lambda: ("offer-0", 2) in offers_of(told)[-1].added, what="the newer one")

        removed = [each.removed for each in offers_of(told) if each.removed]
        assert [sorted(each) for each in removed] == [[("offer-0", 1), ("offer-1", 1)]]
        assert max(len(each.added) for each in offers_of(told)) == 200


def offers_of(connection: Connection) -> list[Offers]:
    """Return what was told of offers."""
    return [each for each in list(connection.messages) if isinstance(each, Offers)]


def test_of_far_too_much_the_newest_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway refuses a worker that says more than that it can hold, and would know nothing."""
    monkeypatch.setattr(module, "MOST_CLAIMS", 3)
    offers = [(f"offer-{n}", 1) for n in range(MOST_OFFERS + 1)]
    with (
        ScriptedGateway() as gateway,
        presence_at(gateway.address, offers=lambda: offers) as presence,
    ):
        told = gateway.restated()
        for task in "abcd":
            tell_claim(presence, task)
        tell_end(presence, "d")
        tell_end(presence, "a")
        tell_claim(presence, "e")

        wait_until(lambda: claimed("e") in told.messages, what="the claim that has room")
        assert names(told.messages, Claimed) == [(task, 1) for task in "abce"]
        assert names(told.messages, Ended) == [("a", 1)]
        wait_until(lambda: sum(len(each.added) for each in offers_of(told)) >= MOST_OFFERS)
        assert sum(len(each.added) for each in offers_of(told)) == MOST_OFFERS


def test_a_gateway_that_does_not_read_holds_up_nobody() -> None:
    """Another gateway is told at once; the one that was behind is told everything later."""
    with (
        ScriptedGateway() as slow,
        ScriptedGateway() as quick,
        presence_at(slow.address, quick.address) as presence,
    ):
        behind, told = slow.restated(), quick.restated()
        slow.reads.clear()
        began = time.monotonic()
        for number in range(20_000):
            tell_claim(presence, "x" * 500, number)
            tell_end(presence, "x" * 500, number)
        tell_claim(presence, "last")
        assert time.monotonic() - began < 20
        assert any(link.behind for link in presence._links._links.values())
        wait_until(lambda: claimed("last") in told.messages, what="the last claim")

        slow.reads.set()
        wait_until(lambda: claimed("last") in behind.messages, what="everything")
        wait_until(lambda: behind.messages.count(Restated(complete=True)) >= 2, what="its end")
        restated = len(behind.messages) - behind.messages[::-1].index(Restated())
        assert behind.messages[restated] == claimed("last")


def test_there_is_no_gateway(closed_port: int) -> None:
    """Where nobody listens nothing is held up, and nothing is wrong with the worker."""
    with presence_at(Address("127.0.0.1", closed_port)) as presence:
        tell_claim(presence, "a")
        tell_end(presence, "a")
        assert presence.is_alive()
        wait_until(lambda: presence._links._due, what="an attempt")
        assert presence.is_alive()


def test_without_addresses_nothing_runs() -> None:
    """Where the secret is not set there is no thread, and no growth."""
    presence = Presence((), HELLO, list, 2.0)
    presence.start()
    for number in range(10):
        tell_claim(presence, "a", number)
        tell_end(presence, "a", number)

    assert presence.is_alive()
    assert not presence._thread.is_alive()
    assert not presence._claims
    presence.close()


def test_a_goodbye_is_the_last_word() -> None:
    """A worker that stops says goodbye to all gateways, and ends its connections in order."""
    with ScriptedGateway() as one, ScriptedGateway() as two:
        with presence_at(one.address, two.address) as presence:
            connections = [one.restated(), two.restated()]
            tell_claim(presence, "a")
        for connection in connections:
            wait_until(lambda: connection.lost)  # noqa: B023
            assert connection.messages[-1] == Bye()
            assert connection.lost == "in order"


def test_a_turn_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong once, gateways are told with the next turn."""
    errors: list[Exception] = [RuntimeError("for once"), OSError("again")]

    def offers() -> list[Any]:
        if errors:
            raise errors.pop()
        return [("offer", 1)]

    with ScriptedGateway() as gateway, presence_at(gateway.address, offers=offers):
        told = gateway.restated()
        wait_until(lambda: offers_of(told), what="the offer")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("method", [(Links, "turn"), (Addresses, "_look_up")])
def test_a_thread_that_is_gone_is_noticed(
    method: tuple[type, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's self-check says so, and the worker is replaced."""

    def end(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(*method, end)
    with presence_at(Address("127.0.0.1", 1)) as presence:
        wait_until(lambda: not presence.is_alive(), what="the end of the thread")
        monkeypatch.setattr(Worker, "_background_threads", lambda _: {"presence's": presence})
        worker = object.__new__(Worker)
        worker._slots = []

        assert worker.fault() == "the presence's thread is gone"

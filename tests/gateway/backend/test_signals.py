"""Values of signals: numbered in order, each delivered once, whoever sends and whoever dies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from gateway.backend.signals import numbers as signal_numbers
from gateway.backend.signals.delivery import Delivery, Signals
from gateway.backend.signals.keys import SignalKey
from gateway.errors import SignalConflict, TooManyValues, UnknownExecution
from shared.ids import signal_id
from shared.resonate import tags as tag
from shared.resonate.transport import Transport
from tests.support.faults.proxy import Proxy, proxy_to
from tests.support.gateway.played_worker import RESULT, begin_wait, create_part, open_wait
from tests.support.gateway.senders import Sender, die_after_create, has_ended, value_of, values_of
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.server import Server


@pytest.fixture(name="proxied")
def _proxied(server: Server, settings: GatewaySettings, job: str) -> Iterator[tuple[Sender, Proxy]]:
    """Yield a gateway's calls that meet the server by a proxy, with little patience."""
    with proxy_to(server.store_port) as proxy:
        address = type(settings.server)("http://127.0.0.1", proxy.port)
        transport = Transport(address, attempt=5, budget=1)
        yield Sender(transport, job), proxy
        transport.close()


def test_early_values_are_kept_in_order(senders: list[Sender], store: Store, job: str) -> None:
    """Values from two gateways in turn get one number after the other, equal ones too."""
    sent = [0, 0, 1, 1, None, 0, "x"]
    deliveries = [senders[n % 2].send(value) for n, value in enumerate(sent)]

    assert deliveries == [Delivery(n, first=True, waiting=n) for n in range(1, len(sent) + 1)]
    assert values_of(store, job, len(sent)) == sent
    assert senders[0].send("x", name="other").number == 1


def test_waits_are_resolved_in_order(senders: list[Sender], store: Store, job: str) -> None:
    """A wait that is open gets the next value, which then does not wait."""
    for number in range(1, 6):
        begin_wait(store, job, number, "next", number)
        delivery = senders[number % 2].send(number)
        assert delivery == Delivery(number, first=True, waiting=0)
    assert values_of(store, job, 5) == [1, 2, 3, 4, 5]


def test_waiting_is_what_is_not_taken(senders: list[Sender], store: Store, job: str) -> None:
    """Each wait that begins takes one of the early values; progress and other waits take none."""
    assert [senders[0].send(n).waiting for n in range(3)] == [1, 2, 3]
    begin_wait(store, job, 1, "next", 1)
    begin_wait(store, job, 2, "other", 1)
    begin_wait(store, job, 3, "next", 2)
    for n in range(4, 30):
        create_part(store, job, f"{job}.{n}", "worker-1", **{tag.STEP: f"step-{n}"})

    assert [senders[n].send(n).waiting for n in range(2)] == [2, 3]


def test_a_wait_without_a_record_is_counted(senders: list[Sender], store: Store, job: str) -> None:
    """The wait of an older worker, which stores no record of it, has taken the first value."""
    open_wait(store, job, "next", 1)

    assert senders[0].send("a") == Delivery(1, first=True, waiting=0)
    assert senders[1].send("b") == Delivery(2, first=True, waiting=1)


@pytest.mark.parametrize("waits_again", [True, False])
def test_a_wait_that_timed_out_is_passed_over(
    senders: list[Sender], store: Store, job: str, *, waits_again: bool
) -> None:
    """The value is the next number's, whether the function waits again or not yet."""
    begin_wait(store, job, 1, "next", 1, seconds=0.05)
    first = signal_id(job, "next", 1)
    wait_until(lambda: store.promises.get(first).state == "REJECTED_TIMEDOUT", what="its end")
    if waits_again:
        begin_wait(store, job, 2, "next", 2)

    delivery = senders[0].send("late")

    assert delivery == Delivery(2, first=True, waiting=0 if waits_again else 1)
    assert value_of(store, job, 2) == "late"
    assert store.promises.get(first).state == "REJECTED_TIMEDOUT"
    assert begin_wait(store, job, 2, "next", 2).resolved


@pytest.mark.parametrize("keyed", [False, True])
def test_many_senders_leave_no_gap(
    senders: list[Sender], store: Store, job: str, *, keyed: bool
) -> None:
    """Of 200 values by 24 senders at two gateways each has a number of its own, without a gap."""

    def send(n: int) -> Delivery:
        return senders[n % 2].send(n, f"key {n}".replace(" ", "-") if keyed else None)

    with ThreadPoolExecutor(24) as pool:
        deliveries = list(pool.map(send, range(200)))
    numbers = [delivery.number for delivery in deliveries]

    assert sorted(numbers) == list(range(1, 201))
    assert all(delivery.first for delivery in deliveries)
    assert [value_of(store, job, number) for number in numbers] == list(range(200))
    if keyed:
        again = [senders[0].send(n, f"key-{n}") for n in range(0, 200, 20)]
        assert [delivery.number for delivery in again] == numbers[::20]
        assert not any(delivery.first for delivery in again)


def test_senders_meet_a_function_that_waits(senders: list[Sender], store: Store, job: str) -> None:
    """While a function waits for one value after the other, it gets all of them, in order."""
    count = 60
    taken: list[Any] = []

    def take() -> None:
        for number in range(1, count + 1):
            id = begin_wait(store, job, number, "next", number).id
            wait_until(partial(has_ended, store, id), what=id)
            taken.append(value_of(store, job, number))

    with ThreadPoolExecutor(7) as pool:
        taking = pool.submit(take)
        deliveries = list(pool.map(lambda n: senders[n % 2].send(n), range(count)))
        taking.result()

    by_number = sorted((delivery.number, n) for n, delivery in enumerate(deliveries))
    assert [number for number, _ in by_number] == list(range(1, count + 1))
    assert taken == [n for _, n in by_number]


def test_the_next_sender_completes_a_dead_one(
    senders: list[Sender], store: Store, job: str
) -> None:
    """A value that was stored and not delivered is delivered first, and the next one behind it."""
    senders[0].send("a")
    die_after_create(store, job, 2, "dead", "lost")

    assert senders[0].send("b").number == 3
    assert values_of(store, job, 3) == ["a", "dead", "b"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("waits", [False, True])
def test_a_lost_answer_delivers_nothing_twice(  # noqa: PLR0913 - fixtures
    proxied: tuple[Sender, Proxy], store: Store, job: str, method: str, *, keyed: bool, waits: bool
) -> None:
    """A call to the server that is repeated is recognized as the same request's."""
    sender, proxy = proxied
    sender.begin()
    if waits:
        begin_wait(store, job, 1, "next", 1)
    harm = proxy.harm(method, "/promises", "lose", times=2 if keyed and method == "POST" else 1)

    assert sender.send("a", "key" if keyed else None) == Delivery(1, first=True, waiting=not waits)

    assert harm.done == harm.times
    assert values_of(store, job, 1) == ["a"]


@pytest.mark.parametrize("key", [None, "key"])
def test_an_execution_that_times_out_meanwhile(
    senders: list[Sender], store: Store, job: str, key: str | None
) -> None:
    """A value that is stored when the execution's time is over is too late, not delivered."""
    read = senders[0].calls.read_root(job)
    over = replace(read, timeout_at=read.created_at - 1)

    with pytest.raises(SignalConflict, match="comes too late"):
        Signals(store.promises).deliver(over, "next", "1", key)


def test_after_the_end_the_last_value_is_known(
    senders: list[Sender], store: Store, job: str
) -> None:
    """Without a key only the last delivered value is a repeat, also if a wait is still open."""
    for value in ("a", "b", "b"):
        senders[0].send(value)
    senders[0].send("z", name="next2")
    begin_wait(store, job, 1, "next", 4)
    store.promises.resolve(job, ikey=job, data=RESULT)

    assert senders[1].send("b") == Delivery(3, first=False, waiting=0)
    for other in ("a", "c", None):
        with pytest.raises(SignalConflict, match="has ended"):
            senders[1].send(other)
    with pytest.raises(SignalConflict, match="has ended"):
        senders[1].send("b", name="never")


def test_another_execution_in_capitals_is_another(
    senders: list[Sender], store: Store, job: str, settings: GatewaySettings
) -> None:
    """The server's search ignores case, so a value of another id is not taken for this one's."""
    transport = Transport(settings.server, attempt=5, budget=5)
    other = Sender(transport, job.upper())
    other.begin()
    senders[0].send("mine")
    for n in range(12):
        other.send(n)
    store.promises.resolve(job, ikey=job, data=RESULT)

    assert senders[0].send("mine") == Delivery(1, first=False, waiting=1)
    transport.close()


def test_too_many_values_are_refused(
    senders: list[Sender], store: Store, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit a value is refused, and its key is free, until the function takes one."""
    monkeypatch.setattr(signal_numbers, "MOST_WAITING", 3)
    for n in range(3):
        senders[0].send(n, f"key-{n}")
    for key in (None, "more"):
        with pytest.raises(TooManyValues, match="wait until the function takes them"):
            senders[1].send("more", key)
    assert SignalKey(store.promises, job, "next", "more").get() is None
    assert senders[1].send(1, "key-1") == Delivery(2, first=False, waiting=3)

    begin_wait(store, job, 1, "next", 1)

    assert senders[1].send("more", "more") == Delivery(4, first=True, waiting=3)
    assert values_of(store, job, 4) == [0, 1, 2, "more"]


def test_a_gateway_that_knows_nothing_finds_the_next_number(
    senders: list[Sender], proxied: tuple[Sender, Proxy]
) -> None:
    """The number behind many values is found with few calls, and the one after with fewer."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(senders[0].send, range(150)))
    sender, proxy = proxied

    proxy.calls.clear()
    assert sender.send("a").number == 151
    assert len(proxy.calls) < 25
    proxy.calls.clear()
    assert sender.send("b").number == 152
    assert len(proxy.calls) < 5


def test_unknown_executions_have_no_signals(
    senders: list[Sender], settings: GatewaySettings
) -> None:
    """A signal for an id that nobody began is refused, with a key and without."""
    transport = Transport(settings.server, attempt=5, budget=5)
    nobody = Sender(transport, "never-begun")
    for key in (None, "key"):
        with pytest.raises(UnknownExecution):
            nobody.send(1, key)
    transport.close()

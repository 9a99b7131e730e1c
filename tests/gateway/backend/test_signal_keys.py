"""Keys of signals: a repeated request is recognized, whoever sends and whoever dies."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import orjson
import pytest

from gateway.backend.signals.delivery import Delivery
from gateway.backend.signals.keys import KeyRecord, SignalKey, digest_of
from gateway.errors import SignalConflict
from shared.ids import signal_id
from tests.support.gateway.played_worker import RESULT, begin_wait
from tests.support.gateway.senders import Sender, die_after_create, values_of

if TYPE_CHECKING:
    from shared.resonate.store import Store


def test_a_repeat_with_a_key_is_recognized(senders: list[Sender], store: Store, job: str) -> None:
    """Any gateway answers a repeat with the number that the value has, at any time."""
    begin_wait(store, job, 1, "next", 1)
    assert senders[0].send("a", "first") == Delivery(1, first=True, waiting=0)
    assert senders[0].send("a", "second") == Delivery(2, first=True, waiting=1)
    assert senders[1].send("a", "first") == Delivery(1, first=False, waiting=1)
    assert senders[1].send("a") == Delivery(3, first=True, waiting=2)
    assert senders[1].send("a", "second") == Delivery(2, first=False, waiting=2)
    assert senders[1].send("a", "first", name="other").number == 1
    with pytest.raises(SignalConflict, match="another value"):
        senders[1].send("b", "first")

    store.promises.resolve(job, ikey=job, data=RESULT)

    for sender in senders:
        assert sender.send("a", "second") == Delivery(2, first=False, waiting=2)
        with pytest.raises(SignalConflict, match="another value"):
            sender.send("b", "second")
        with pytest.raises(SignalConflict, match="has ended"):
            sender.send("a", "third")
    assert SignalKey(store.promises, job, "next", "third").get() is None
    assert values_of(store, job, 3) == ["a", "a", "a"]


def test_one_key_at_once_is_one_value(senders: list[Sender], store: Store, job: str) -> None:
    """Of 60 requests with three keys, amid others, three deliver, and all agree on the numbers."""

    def send(n: int) -> tuple[int, Delivery]:
        key = n % 4
        return key, senders[n // 4 % 2].send(key, f"key-{key}" if key else None)

    with ThreadPoolExecutor(24) as pool:
        sent = list(pool.map(send, range(80)))

    numbers = {key: {delivery.number for k, delivery in sent if k == key} for key in (1, 2, 3)}
    assert [len(found) for found in numbers.values()] == [1, 1, 1]
    assert Counter(key for key, delivery in sent if delivery.first) == {0: 20, 1: 1, 2: 1, 3: 1}
    assert sorted(values_of(store, job, 23)) == [0] * 20 + [1, 2, 3]


@pytest.mark.parametrize("stage", ["key", "value", "wait"])
def test_a_repeat_goes_on_for_a_dead_sender(
    senders: list[Sender], store: Store, job: str, stage: str
) -> None:
    """Whatever a sender with a key has done before it died, the value is delivered once."""
    senders[0].send("before")
    key = SignalKey(store.promises, job, "next", "key")
    text = orjson.dumps(orjson.dumps("mine").decode()).decode()
    key.create(KeyRecord(digest_of(text), 2))
    if stage == "value":
        die_after_create(store, job, 2, "mine", f"{key.digest}.lost")
    elif stage == "wait":
        begin_wait(store, job, 1, "next", 2)
        id = signal_id(job, "next", 2)
        store.promises.resolve(id, ikey=f"{key.digest}.lost", strict=True, data=text)
    for n in range(5):
        senders[0].send(n)

    delivered = [sender.send("mine", "key") for sender in (*senders, *senders)]

    assert {delivery.number for delivery in delivered} == {7 if stage == "key" else 2}
    assert [delivery.first for delivery in delivered] == [stage == "key", False, False, False]
    record = key.get()
    assert record is not None
    assert record.number == (7 if stage == "key" else None)
    assert Counter(map(str, values_of(store, job, 7)))["mine"] == 1


def test_a_key_is_found_after_the_end(senders: list[Sender], store: Store, job: str) -> None:
    """A value that a sender delivered and did not note is found behind the others."""
    key = SignalKey(store.promises, job, "next", "key")
    key.create(KeyRecord(digest_of(orjson.dumps(orjson.dumps("mine").decode()).decode()), 1))
    senders[0].send("other")
    die_after_create(store, job, 2, "mine", f"{key.digest}.lost")
    senders[0].send("more")
    store.promises.resolve(job, ikey=job, data=RESULT)

    assert senders[1].send("mine", "key") == Delivery(2, first=False, waiting=3)


def test_a_dead_sender_of_an_ended_execution_is_too_late(
    senders: list[Sender], store: Store, job: str
) -> None:
    """A key whose value was never delivered is a conflict after the end, and delivers nothing."""
    text = orjson.dumps(orjson.dumps("mine").decode()).decode()
    SignalKey(store.promises, job, "next", "key").create(KeyRecord(digest_of(text), 1))
    store.promises.resolve(job, ikey=job, data=RESULT)

    with pytest.raises(SignalConflict, match="has ended"):
        senders[0].send("mine", "key")
    assert values_of(store, job, 0) == []

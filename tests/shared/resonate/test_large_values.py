"""Large values at the real server: where they are, who finds them, and what cannot be one."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import orjson
import pytest

from shared.ids import value_id
from shared.resonate import tags as tag
from shared.resonate.large_values import LARGE_BYTES, Reference, ValueLost, data_of, is_same
from shared.resonate.store import Store
from shared.resonate.transport import PROMISE_EXISTS, Refused, Transport
from shared.settings import ServerSettings
from tests.support.faults.proxy import Proxy, proxy_to
from tests.support.processes import call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

LATER = int((time.time() + 24 * 60 * 60) * 1000)
"""A day after the tests were collected: the whole run takes long."""
LARGE = "x" * (LARGE_BYTES + 1)


@pytest.fixture(name="proxied_store")
def _proxied_store(server: Server) -> Iterator[tuple[Store, Proxy]]:
    with proxy_to(server.store_port) as proxy:
        transport = Transport(ServerSettings("http://127.0.0.1", proxy.port), attempt=5, budget=5)
        yield Store(transport), proxy
        transport.close()


def reference(data: object) -> Reference:
    """Return data that must be a reference."""
    assert isinstance(data, Reference)
    return data


@pytest.mark.parametrize("text", ["x" * LARGE_BYTES, "é" * (LARGE_BYTES // 2), "x"])
def test_a_small_value_is_one_write(
    proxied_store: tuple[Store, Proxy], job: str, text: str
) -> None:
    """Up to the limit, in bytes, a param and a value are stored with their promise."""
    store, proxy = proxied_store
    store.promises.create(job, LATER, ikey=job, data=text)
    promise = store.promises.resolve(job, ikey=job, data=text)

    assert (data_of(promise.param), data_of(promise.value)) == (text, text)
    assert [seen.split()[0] for seen in proxy.calls] == ["POST", "PATCH"]


@pytest.mark.parametrize("text", [LARGE, "é" * (LARGE_BYTES // 2 + 1), "😀" * LARGE_BYTES])
def test_a_large_value_is_stored_on_its_own(store: Store, job: str, text: str) -> None:
    """One byte more, and the promise has a reference to the value, which can be read by it."""
    store.promises.create(job, LATER, ikey=job, data=text)
    store.promises.resolve(job, ikey=job, data=text)

    promise = store.promises.get(job)

    for part in (promise.param, promise.value):
        found = reference(data_of(part))
        assert (part.data or "", found.size) == ("", len(text.encode()))
        assert found.id.startswith(f"={job}=")
        assert store.promises.values.read(found).decode() == text
        assert is_same(found, text)
        assert not is_same(found, text[:-1] + "y")


@pytest.mark.parametrize("id", ["order_{}", "order_{}.2", "order_{}.signal.a_b"])
def test_owners_of_all_kinds(store: Store, job: str, id: str) -> None:
    """A value is found again, whatever is in its owner's id."""
    owner = id.format(job)
    store.promises.create(owner, LATER, ikey=owner, data=LARGE)

    found = reference(data_of(store.promises.get(owner).param))

    assert found.id.startswith(f"={owner}=")
    assert store.promises.values.read(found).decode() == LARGE


def test_equal_values_of_an_owner_are_one(store: Store, job: str) -> None:
    """Storing a value again changes nothing; another value, or another owner, has another id."""
    values = store.promises.values
    first = reference(values.stored(job, LARGE))

    assert values.stored(job, LARGE) == first
    assert reference(values.stored(job, LARGE + "y")).id != first.id
    assert reference(values.stored(f"{job}-2", LARGE)).id != first.id


def test_a_repeated_create_does_not_send_the_value_again(
    proxied_store: tuple[Store, Proxy], job: str
) -> None:
    """It finds the promise with its value; one of another key is refused and stores nothing."""
    store, proxy = proxied_store
    first = store.promises.create(job, LATER, ikey="a", data=LARGE)
    proxy.seen.clear()

    again = store.promises.create(job, LATER, ikey="a", data=LARGE)
    with pytest.raises(Refused) as refused:
        store.promises.create(job, LATER, ikey="b", data=LARGE + "y")

    assert again == first
    assert refused.value.code == PROMISE_EXISTS
    assert max(len(seen.body) for seen in proxy.seen) < 1000
    other = Reference.to(job, (LARGE + "y").encode())
    with pytest.raises(ValueLost, match="is missing"):
        store.promises.values.read(other)


def test_failures_stay_with_their_promise(store: Store, job: str) -> None:
    """Only results are stored on their own."""
    store.promises.create(job, LATER, ikey=job)
    promise = store.promises.reject(job, ikey=job, data=LARGE)

    assert data_of(promise.value) == LARGE


@pytest.mark.parametrize("harm", ["DELETE FROM promises", "UPDATE promises SET param_data = 'y'"])
def test_a_lost_value_is_an_error_at_once(
    server: Server, store: Store, job: str, harm: str
) -> None:
    """A value that is missing, or is not what was stored, is not asked for again."""
    found = reference(store.promises.values.stored(job, LARGE))
    with closing(sqlite3.connect(server.database)) as database, database:
        database.execute(f"{harm} WHERE id = ?", (found.id,))

    began = time.monotonic()
    with pytest.raises(ValueLost, match=f"the stored value ={job}=.* is (missing|damaged)"):
        store.promises.values.read(found)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "data",
    [
        orjson.dumps(Reference.to("job", b"x").headers).decode(),
        orjson.dumps({"headers": Reference.to("job", b"x").headers}).decode(),
    ],
)
def test_data_is_never_a_reference(store: Store, job: str, data: str) -> None:
    """What looks like a reference is a text like any other: users choose data, not headers."""
    store.promises.create(job, LATER, ikey=job, data=data)

    assert data_of(store.promises.get(job).param) == data


@pytest.mark.parametrize(
    "broken",
    [
        {"value-id": ""},
        {"value-bytes": "-1"},
        {"value-bytes": "1.5"},
        {"value-sha256": "a" * 63},
        {"value-sha256": "../" + "a" * 61},
    ],
)
def test_headers_that_are_no_reference_are_none(
    server: Server, store: Store, job: str, broken: dict[str, str]
) -> None:
    """Headers of another program make no reference, and the data counts."""
    headers = {**Reference.to(job, b"x").headers, **broken}
    body = {"id": job, "timeout": LATER, "param": {"headers": headers, "data": "eA=="}}
    call(f"http://127.0.0.1:{server.store_port}/promises", "POST", body)

    assert data_of(store.promises.get(job).param) == "x"


def test_no_search_reads_values(server: Server, store: Store, job: str) -> None:
    """A search by an id's beginning, or for all that has a tag, passes large values by.

    They have no tags at all in the store, so SQLite need not read a value to see that.
    """
    tags = {tag.KIND: tag.EXECUTION, tag.FUNCTION: "foo"}
    store.promises.create(job, LATER, ikey=job, data=LARGE, tags=tags)
    id = reference(data_of(store.promises.get(job).param)).id

    for pattern in (f"{job}*", "*"):
        found, _ = store.promises.search(pattern, tags)
        assert job in {promise.id for promise in found}
        assert not any(promise.id.startswith("=") for promise in found)
    assert store.promises.search(f"{job}.*", {})[0] == []
    with closing(sqlite3.connect(server.database)) as database:
        row = database.execute("SELECT tags, length(param_data) FROM promises WHERE id = ?", (id,))
        assert row.fetchone() == (None, len(LARGE))


def test_a_value_waits_for_nothing(server: Server, store: Store, job: str) -> None:
    """A value makes no task, and its promise never times out."""
    found = reference(store.promises.values.stored(job, LARGE))

    assert store.promises.get(value_id(job, found.digest)).pending
    with closing(sqlite3.connect(server.database)) as database:
        tasks = database.execute(
            "SELECT count(*) FROM tasks WHERE root_promise_id = ?", (found.id,)
        )
        assert tasks.fetchone() == (0,)
        due = database.execute(
            "SELECT count(*) FROM promises WHERE id = ? AND timeout < ?",
            (found.id, int((time.time() + 100 * 366 * 86400) * 1000)),
        )
        assert due.fetchone() == (0,)

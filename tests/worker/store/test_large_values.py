"""Large values of a claim at the real server: fenced like any write, and given to the SDK whole."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from shared.resonate import tags as tag
from shared.resonate.codec import decode_rejection, encode_call
from shared.resonate.large_values import LARGE_BYTES, Reference, data_of
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused
from tests.support.processes import wait_until
from worker.store.fenced_store import FencedStore
from worker.store.guarded_writes import FencedPromise
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.server import Server

LATER = int((time.time() + 24 * 60 * 60) * 1000)
"""A day after the tests were collected: the whole run takes long."""
LARGE = '"' + "x" * LARGE_BYTES + '"'


@pytest.fixture(name="fenced")
def _fenced(store: Store, job: str) -> FencedStore:
    """Return a store with a claim of an execution."""
    tags = {"resonate:invoke": "poll://any@nobody"}
    store.promises.create(job, LATER, ikey=job, data=encode_call("foo", 1, "1"), tags=tags)
    claim = Claim(f"__invoke:{job}", 1, job, deadline=LATER)

    def claimed() -> bool:
        try:
            Tasks(store.transport).claim_raw(claim.task, claim.counter, "pid", 60_000)
        except Refused:
            return False
        return True

    wait_until(claimed, what="the claim")
    fenced = FencedStore(store.transport, "worker-1")
    fenced.claim = claim
    return fenced


def values_of(server: Server, owner: str) -> int:
    """Return how many values of a promise are stored."""
    with closing(sqlite3.connect(server.database)) as database:
        count = database.execute("SELECT count(*) FROM promises WHERE id LIKE ?", (f"={owner}=%",))
        return int(count.fetchone()[0])


def test_a_replay_gives_the_whole_value(fenced: FencedStore, store: Store, job: str) -> None:
    """The outcome of a step is given back as it was sent, and again to a later claim."""
    step = f"{job}.1"
    fenced.promises.create(step, LATER, ikey=step)
    settled = fenced.promises.resolve(step, ikey=step, data=LARGE)
    again = fenced.promises.create(step, LATER, ikey=step)

    for promise in (settled, again):
        assert (promise.state, promise.value.data, promise.value.headers) == (
            "RESOLVED",
            LARGE,
            None,
        )
    assert isinstance(data_of(store.promises.get(step).value), Reference)


def test_the_first_of_two_results_counts(fenced: FencedStore, store: Store, job: str) -> None:
    """A step that was settled by another claim is answered with that result, not with ours."""
    step, other = f"{job}.1", LARGE.replace("x", "y")
    fenced.promises.create(step, LATER, ikey=step)
    store.promises.resolve(step, ikey="another", data=other)

    assert fenced.promises.resolve(step, ikey=step, data=LARGE).value.data == other


def test_a_lost_claim_stores_no_value(
    fenced: FencedStore, server: Server, store: Store, job: str
) -> None:
    """The write of the value is refused already, and the claim is given up."""
    step = f"{job}.1"
    claim = fenced.claim
    assert claim is not None
    fenced.promises.create(step, LATER, ikey=step)
    Tasks(store.transport).drop(claim.task, claim.counter)

    refused = fenced.promises.resolve(step, ikey=step, data=LARGE)

    assert isinstance(refused, FencedPromise)
    assert "412" in str(claim.lost)
    assert values_of(server, step) == 0
    assert store.promises.get(step).pending


def test_a_value_that_is_lost_ends_the_execution(
    fenced: FencedStore, server: Server, store: Store, job: str
) -> None:
    """No worker could go on, so the execution is rejected with a clear failure."""
    step = f"{job}.1"
    claim = fenced.claim
    assert claim is not None
    fenced.promises.create(step, LATER, ikey=step)
    fenced.promises.resolve(step, ikey=step, data=LARGE)
    with closing(sqlite3.connect(server.database)) as database, database:
        database.execute("DELETE FROM promises WHERE id LIKE ?", (f"={step}=%",))

    assert isinstance(fenced.promises.create(step, LATER, ikey=step), FencedPromise)

    ended = store.promises.get(job)
    failure = decode_rejection(ended.value.data)
    assert (ended.state, failure.type) == ("REJECTED", "ValueLost")
    assert failure.message.startswith(f"the stored value ={step}=")


def test_an_execution_that_is_only_watched_is_not_read(
    fenced: FencedStore, store: Store, job: str
) -> None:
    """The webhook of a client's execution waits for its end, without its result."""
    watched, tags = f"{job}-watched", {tag.KIND: tag.EXECUTION, tag.FUNCTION: "foo"}
    call = encode_call("foo", 1, "1")
    store.promises.create(watched, LATER, ikey=watched, data=call, tags=tags)
    store.promises.resolve(watched, ikey=watched, data=LARGE)

    promise = fenced.promises.create(watched, LATER, ikey=watched)

    assert promise.resolved
    assert isinstance(data_of(promise.value), Reference)


def test_a_signal_is_resolved_for_its_sender(fenced: FencedStore, store: Store, job: str) -> None:
    """The value of a signal whose sender died is handed on without being stored again."""
    id = f"{job}.signal.go"
    tags = {tag.SIGNAL: "go", tag.REQUEST: "r"}
    store.promises.create(id, LATER, ikey=id, data=LARGE, tags=tags)

    promise = fenced.promises.create(id, LATER, ikey=id)

    assert (promise.state, promise.value.data) == ("RESOLVED", LARGE)
    stored = store.promises.get(id)
    assert stored.value.headers == stored.param.headers

"""Writes at the real server, with the claim that they are made for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from shared.resonate.codec import encode_call
from shared.resonate.store import Store
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused, Transport
from shared.settings import ServerSettings
from tests.support.processes import wait_until
from tests.support.server import resonate_server
from worker.store.fenced_store import FencedStore
from worker.store.guarded_writes import FencedPromise
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="transport")
def _transport(tmp_path: Path) -> Iterator[Transport]:
    with resonate_server(tmp_path) as server:
        transport = Transport(
            ServerSettings("http://127.0.0.1", server.store_port), attempt=5, budget=5
        )
        yield transport
        transport.close()


def test_an_accepted_write_proves_the_claim(transport: Transport) -> None:
    """`written_at` is the start of the latest accepted write; a refused write leaves it alone."""
    timeout, tags = int((time.time() + 60) * 1000), {"resonate:invoke": "poll://any@nobody"}
    Store(transport).promises.create(
        "job", timeout, ikey="job", data=encode_call("foo", 1, "1"), tags=tags
    )
    tasks, claim = Tasks(transport), Claim("__invoke:job", 1, "job", deadline=timeout)

    def claimed() -> bool:
        try:
            tasks.claim_raw(claim.task, claim.counter, "pid", 60_000)
        except Refused:
            return False
        return True

    wait_until(claimed, what="the claim")
    fenced = FencedStore(transport, "worker-1")
    fenced.claim = claim
    before = time.monotonic()
    taken = fenced.promises.create("job.1", timeout, ikey="job.1")
    written_at = claim.written_at
    tasks.drop(claim.task, claim.counter)
    refused = fenced.promises.create("job.2", timeout, ikey="job.2")

    assert taken.pending
    assert before <= written_at <= time.monotonic()
    assert isinstance(refused, FencedPromise)
    assert claim.lost
    assert claim.written_at == written_at


@pytest.mark.parametrize(
    ("state", "told"), [("child", 1), ("of a client", 0), ("dropped", 0)], ids=str
)
def test_the_end_of_a_child_is_told(transport: Transport, state: str, told: int) -> None:
    """Only an end that is stored is told, and only of an execution that another one has begun."""
    id = "job" if state == "of a client" else "job.1"
    timeout, tags = int((time.time() + 60) * 1000), {"resonate:invoke": "poll://any@nobody"}
    Store(transport).promises.create(id, timeout, ikey=id, tags=tags)
    tasks, claim = Tasks(transport), Claim(f"__invoke:{id}", 1, id, deadline=timeout)
    tasks.claim_raw(claim.task, claim.counter, "pid", 60_000)
    ends: list[str] = []
    fenced = FencedStore(transport, "worker-1", child_ended=lambda: ends.append(id))
    fenced.claim = claim
    fenced.promises.create(f"{id}.1", timeout, ikey=f"{id}.1")
    fenced.promises.resolve(f"{id}.1", ikey=f"{id}.1", data="1")
    if state == "dropped":
        tasks.drop(claim.task, claim.counter)

    fenced.promises.resolve(id, ikey=id, data="1")

    assert len(ends) == told
    assert claim.finished == (state != "dropped")

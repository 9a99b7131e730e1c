"""Executions that a worker cannot go on with, and their records at the real server."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import orjson
import pytest

from shared.resonate import tags as tag
from shared.resonate.transport import Refused
from tests.support.scripted_server import ERROR, Answer, serving, transport_to
from worker.store import blocked as module
from worker.store.blocked import BlockedExecutions, record_blocked
from worker.tasks.claims import Blocked, Claim

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from shared.resonate.store import Store
    from tests.support.worker.claims import ClaimedJob

OTHER = Blocked("step reserve", "step quote")


def blocked_claim(claimed: ClaimedJob) -> Claim:
    """Return a claim that has found the execution blocked."""
    claim, _ = claimed.claim()
    claim.version, claim.blocked, claim.stored_position = 2, OTHER, 4
    return claim


def test_a_record_has_what_clients_see(claimed: ClaimedJob, store: Store) -> None:
    """The record is pending, belongs to its execution, and says what does not fit."""
    record_blocked(store.transport, blocked_claim(claimed), "worker-1")

    record = claimed.promises.get(f"{claimed.id}.blocked.1")
    assert record.pending
    assert orjson.loads(record.tags.pop(tag.BLOCKED)) == {
        "expected": "step reserve",
        "found": "step quote",
        "version": 2,
    }
    assert record.tags[tag.EXECUTION] == claimed.id
    assert (record.tags[tag.WORKER], record.tags[tag.POSITION]) == ("worker-1", "4")


def test_an_execution_has_one_pending_record(claimed: ClaimedJob, store: Store) -> None:
    """However often an execution is handed back, one record says so; later ones are counted on."""
    for worker in ("worker-1", "worker-2"):
        record_blocked(store.transport, blocked_claim(claimed), worker)
        claimed.drop()
    first = claimed.promises.get(f"{claimed.id}.blocked.1")
    with pytest.raises(Refused):
        claimed.promises.get(f"{claimed.id}.blocked.2")
    claimed.promises.resolve(first.id, ikey=first.id)

    record_blocked(store.transport, blocked_claim(claimed), "worker-3")

    second = claimed.promises.get(f"{claimed.id}.blocked.2")
    assert (first.tags[tag.WORKER], second.tags[tag.WORKER]) == ("worker-1", "worker-3")
    assert second.pending


def test_a_record_is_fenced(claimed: ClaimedJob, store: Store) -> None:
    """A claim that is over records nothing, and that is no error."""
    claim = blocked_claim(claimed)
    claimed.drop()

    record_blocked(store.transport, claim, "worker-1")

    with pytest.raises(Refused):
        claimed.promises.get(f"{claimed.id}.blocked.1")


def test_a_claim_that_is_not_blocked_asks_nothing() -> None:
    """Of an execution that is well nothing is recorded."""
    with serving() as server, closing(transport_to(server)) as transport:
        record_blocked(transport, Claim("__invoke:job", 1, "job"), "worker-1")

        assert server.requests == []


def test_a_server_in_trouble_costs_only_the_record(log: list[EventDict]) -> None:
    """The log shows what does not fit, and that clients will not see it."""
    claim = Claim("__invoke:job", 1, "job", version=2, blocked=OTHER)
    with (
        serving(Answer(500, ERROR)) as server,
        closing(transport_to(server, budget=0)) as transport,
    ):
        record_blocked(transport, claim, "worker-1")

    first, last = log
    assert (first["event"], first["log_level"]) == ("execution blocked", "warning")
    assert (first["execution"], first["expected"], first["found"], first["version"]) == (
        "job",
        "step reserve",
        "step quote",
        2,
    )
    assert last["event"] == "blocked execution not recorded"


def test_a_worker_remembers_what_it_cannot_go_on_with() -> None:
    """The latest reason counts, and other executions are not blocked."""
    found = BlockedExecutions()
    found.add("a", Blocked("sleep", "progress"))
    found.add("a", OTHER)

    assert found.get("a") is OTHER
    assert found.get("b") is None


def test_an_execution_is_tried_again_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function may have taken another way by chance, so nothing is remembered for ever."""
    found = BlockedExecutions()
    found.add("a", OTHER)
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", 0.0)

    assert found.get("a") is None


def test_only_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory has a limit; an execution that is blocked again counts as late."""
    monkeypatch.setattr(module, "MOST_REMEMBERED", 2)
    found = BlockedExecutions()
    for execution in ("a", "b", "a", "c"):
        found.add(execution, OTHER)

    assert [found.get(execution) for execution in "abc"] == [OTHER, None, OTHER]

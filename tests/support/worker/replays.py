"""Histories that earlier claims have stored, and replays of them."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from shared.resonate import tags as tag
from tests.support.scripted_server import ScriptedServer, serving, transport_to
from tests.support.worker.claims import LATER
from worker.store.fenced_store import FencedStore
from worker.store.replays import ReplayedHistory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.scripted_server import Answer
    from tests.support.worker.claims import ClaimedJob
    from worker.tasks.claims import Claim

STEP: Final = {tag.STEP: "quote"}
WAIT: Final = {tag.AWAITS: "go", tag.NUMBER: "1"}
"""The tags of two parts."""


def replay(claimed: ClaimedJob) -> tuple[Claim, FencedStore, ReplayedHistory]:
    """Return the next claim of the execution and its history."""
    claim, store = claimed.claim()
    return claim, store, ReplayedHistory(claim, store.promises)


def stored(claimed: ClaimedJob, *parts: dict[str, str]) -> None:
    """Store parts of the execution as an earlier claim, which is over then."""
    _, store = claimed.claim()
    for number, tags in enumerate(parts, 1):
        assert claimed.part(store, number, tags)
    claimed.drop()


def stored_before(claimed: ClaimedJob, *names: str) -> None:
    """Store parts as an earlier release has: without positions, and signals by their name only."""
    claim, _ = claimed.claim()
    for name in names:
        known = {tag.EXECUTION: claimed.id, tag.WORKER: "old", tag.CLAIM: claim.key}
        kind = tag.STEP if name.isdecimal() else tag.SIGNAL
        id = f"{claimed.id}.{name}"
        claimed.promises.create(id, LATER, ikey=id, tags={**known, kind: "quote"})
    claimed.drop()


@contextmanager
def scripted(claim: Claim, answer: Answer) -> Iterator[tuple[ScriptedServer, ReplayedHistory]]:
    """Yield a server that always answers so, and the history of a claim there."""
    with serving(answer) as server, closing(transport_to(server, budget=0)) as transport:
        store = FencedStore(transport, "worker-1")
        store.claim = claim
        yield server, ReplayedHistory(claim, store.promises)

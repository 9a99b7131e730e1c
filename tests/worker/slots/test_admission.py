"""Claims that are not run, at the real server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from shared.resonate import tags as tag
from worker.slots.admission import Admission
from worker.store.blocked import BlockedExecutions
from worker.tasks.offers import Offer

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.worker.claims import ClaimedJob
    from worker.tasks.claims import Claim


def test_a_blocked_claim_waits_without_its_history(claimed: ClaimedJob, store: Store) -> None:
    """A deploy may block thousands of executions, whose claims are handed back one by one."""
    _, writes = claimed.claim()
    assert claimed.part(writes, 1, {tag.STEP: "reserve"})
    claimed.drop()
    claim, own = claimed.claim("worker-2")
    handed_back: list[Claim] = []
    parts: Any = SimpleNamespace(
        name="worker-2",
        transport=store.transport,
        versions={},
        blocked=BlockedExecutions(),
        leases=SimpleNamespace(hand_back_blocked=handed_back.append),
    )
    root = store.transport.call("GET", f"/promises/{claimed.id}", read=dict)
    offer = Offer("invoke", claim.task, claim.counter)

    assert Admission(parts, own).admit(claim, offer, root, None) is None

    assert handed_back == [claim]
    assert (claim.stored_position, claim.parts, claim.call) == (1, {}, None)

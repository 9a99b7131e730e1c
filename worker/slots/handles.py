"""What a durable function's run is given of its claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.store.failed_tries import FailedTries
from worker.store.replays import ReplayedHistory
from worker.store.steps import StepRecords
from worker.tasks.claim_handle import ClaimHandle

if TYPE_CHECKING:
    from worker.slots.parts import SharedParts
    from worker.store.fenced_store import FencedPromises
    from worker.store.restarts import Records
    from worker.tasks.claims import Claim


def handle_of(
    parts: SharedParts, claim: Claim, records: Records, promises: FencedPromises
) -> ClaimHandle:
    """Return the handle of a claim of which `promises` store what is created."""
    history = ReplayedHistory(claim, promises)
    return ClaimHandle(
        claim,
        parts.leases,
        parts.name,
        parts.group,
        parts.suspects,
        records,
        parts.max_recoveries,
        parts.calls,
        parts.max_result_bytes,
        FailedTries(claim, parts.name, parts.transport),
        parts.functions,
        history,
        StepRecords(claim, promises, history, parts.late_starts, parts.transport.clock),
        parts.metrics,
    )

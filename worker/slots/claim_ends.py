"""How a claim begins and ends for the server, beside what the SDK does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered
from worker.errors import Fenced
from worker.store.blocked import record_blocked
from worker.store.restarts import Records, record_returned

if TYPE_CHECKING:
    from worker.slots.parts import SharedParts
    from worker.tasks.claim_handle import ClaimHandle
    from worker.tasks.claims import Claim


def begin_body(parts: SharedParts, claim: Claim, handle: ClaimHandle, records: Records) -> None:
    """Wait for a turn if the function's body was lost with its workers, and record this start.

    Raises `Fenced` if the claim is lost.
    """
    earlier = claim.earlier_starts.get(claim.execution)
    if earlier is not None and earlier.suspect:
        claim.turn = parts.suspects.acquire(earlier, handle.check)
    if not records.body():
        raise Fenced(claim.execution)


def complete(parts: SharedParts, claim: Claim) -> None:
    """Complete the task of an execution that is suspended."""
    try:
        parts.tasks.complete(claim.task, claim.counter)
    except (Refused, Unanswered) as error:
        claim.lost = str(error)
        get_logger().warning("task not completed", task=claim.task, reason=claim.lost)


def settle(parts: SharedParts, claim: Claim, *, may_be_held: bool) -> None:
    """Record that a claim was lost although this worker lives, and end its lease."""
    try:
        record_returned(parts.transport, claim)
        if claim.blocked is not None:
            parts.blocked.add(claim.execution, claim.blocked)
            record_blocked(parts.transport, claim, parts.name)
    finally:
        if not may_be_held:
            parts.leases.release(claim)
        elif claim.blocked is not None:
            parts.leases.hand_back_blocked(claim)
        else:
            parts.leases.hand_back_failed(claim)


def set_aside(claim: Claim) -> None:
    """Close the body of a suspended execution, which will run again from its first line.

    Otherwise the collection of garbage would close it, in whatever thread it happens to run, and a
    `finally` that hangs would take a thread of the worker along.
    """
    claim.lost = claim.lost or "suspended"
    claim.close_body()

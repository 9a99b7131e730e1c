"""How a claim begins and ends for the server, beside what the SDK does with it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from shared.log import get_logger
from shared.resonate.transport import Refused, Unanswered
from worker.errors import Fenced
from worker.slots.runs import end_run
from worker.store.blocked import record_blocked
from worker.store.restarts import Records, record_returned
from worker.tasks.claims import kind_of_loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.store import Promises
    from worker.slots.parts import SharedParts
    from worker.tasks.claim_handle import ClaimHandle
    from worker.tasks.claims import Claim


def granted(
    parts: SharedParts, claim: Claim
) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
    """Ask the server for a claim; return its answer, None if the claim is not granted."""
    leases = parts.leases
    leases.hold(claim)
    try:
        answer = parts.tasks.claim_raw(claim.task, claim.counter, parts.pid, leases.milliseconds)
    except Refused:
        parts.metrics.claimed("refused")
        leases.release(claim)
    except Unanswered:
        parts.metrics.claimed("unanswered")
        leases.hand_back(claim)
    else:
        parts.metrics.claimed("granted")
        return answer
    return None


def plain_run_of(
    parts: SharedParts, claim: Claim | None
) -> Callable[[ClaimHandle, Promises, Callable[[], None]], bool] | None:
    """Return what runs the execution without the SDK, if it is a plain function's first claim."""
    if claim is None or claim.call is None or claim.may_have_history:
        return None
    run = parts.plain.get((claim.call.function, claim.call.version))
    return None if run is None else partial(run, claim.call.input_json)


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
        get_logger().warning("task not completed", **claim.log_fields, reason=claim.lost)


def end_lease(parts: SharedParts, claim: Claim) -> None:
    """End the lease of a claim whose execution does not run here any more; forget its values."""
    claim.end_turn()
    end_run(claim)
    if claim.lost is None:
        parts.leases.release(claim)
    else:
        settle(parts, claim, may_be_held=True)
    claim.forget_values()


def settle(parts: SharedParts, claim: Claim, *, may_be_held: bool) -> None:
    """Record that a claim was lost although this worker lives, and end its lease."""
    if claim.blocked is None:
        parts.metrics.claim_lost(_kind_of_loss(parts, claim))
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


def _kind_of_loss(parts: SharedParts, claim: Claim) -> str:
    """Return why a claim was lost, as one of a few words."""
    kind = kind_of_loss(claim.lost or "")
    # The server refuses a claim whose lease ran out in the same way as one that was canceled.
    return "lease" if kind == "over" and parts.leases.has_lapsed(claim) else kind


def set_aside(claim: Claim) -> None:
    """Close the body of a suspended execution, which will run again from its first line.

    Otherwise the collection of garbage would close it, in whatever thread it happens to run, and a
    `finally` that hangs would take a thread of the worker along.
    """
    claim.lost = claim.lost or "suspended"
    claim.close_body()

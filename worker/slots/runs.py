"""The span of what runs under a claim, and its place in the trace of the execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.telemetry.spans import ClaimedRun
from shared.telemetry.tracing import tracing

if TYPE_CHECKING:
    from worker.tasks.claims import Claim


def begin_run(claim: Claim, worker: str) -> None:
    """Begin the span of what runs under the claim from now on; its children belong to it."""
    if claim.call is None:
        return
    claimed = ClaimedRun(
        claim.key,
        claim.execution,
        claim.created_at,
        claim.call.function,
        claim.version,
        worker,
        claim.cause.trace_id,
        claim.cause.origin,
        claim.cause.trace_state,
    )
    claim.run = tracing().run(claimed)
    context = claim.run.context
    if context is not None:
        claim.cause = claim.cause.within(context)


def end_run(claim: Claim) -> None:
    """End that span, which is linked to that of the claim before."""
    if claim.finished:
        outcome = "ended"
    elif claim.lost is None:
        outcome = "suspended"
    else:
        outcome = "given_up" if claim.blocked is None else "blocked"
    former = claim.former
    if former is None and claim.counter > 1:  # it had no time to store anything
        former = f"{claim.task}/{claim.counter - 1}"
    claim.run.end(outcome, attempt=claim.attempt, former=former, error=claim.failure)

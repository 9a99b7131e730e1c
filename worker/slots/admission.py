"""Decides which claims are run, and which are rejected, handed back or ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.ids import ancestors, cancel_key
from shared.log import get_logger
from shared.resonate import tags as tag
from shared.resonate.causes import cause_of
from shared.resonate.codec import Failure, decode_call
from shared.resonate.large_values import ValueLost
from shared.resonate.transport import PROMISE_NOT_FOUND, Refused
from worker.slots.claim_ends import settle
from worker.store.restarts import body_starts
from worker.tasks.claims import Blocked

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.codec import Call
    from worker.slots.parts import SharedParts
    from worker.store.fenced_store import FencedStore
    from worker.tasks.claims import Claim
    from worker.tasks.offers import Offer

type ClaimedPromises = tuple[DurablePromise, DurablePromise | None]
"""The promise of the claimed execution and, for a resumption, the promise that it waited for."""


class Admission:
    """Checks the claims of one client before the SDK gets them; settles those that are not run."""

    def __init__(self, parts: SharedParts, store: FencedStore) -> None:
        self._parts = parts
        self._store = store
        self._log = get_logger()

    def admit(
        self,
        claim: Claim,
        offer: Offer,
        root_data: dict[str, Any],
        leaf_data: dict[str, Any] | None,
    ) -> ClaimedPromises | None:
        """Return the claim's promises if its execution is to be run, None if it was settled here.

        `root_data` and `leaf_data` are the server's answer to the claim.
        """
        root = self._store.promise(root_data)
        leaf = self._store.promise(leaf_data) if leaf_data else None
        claim.execution, claim.deadline = root.id, root.timeout
        claim.created_at = root.created_on
        claim.cause = cause_of(root.tags)
        self._store.claim = claim
        try:
            call = self._call_of(offer, root, leaf)
        except ValueError as error:
            # The SDK would end this process, and then every other worker that is offered the task.
            self._reject(claim, Failure("InvalidCall", str(error)))
            return None
        except ValueLost as error:
            self._reject(claim, Failure("ValueLost", str(error)))
            return None
        claim.call, claim.version = call, call.version
        if root.tags.get(tag.KIND) == tag.CHILD and self._cancel_orphan(claim):
            return None
        blocked = self._parts.blocked.get(claim.execution) or self._unknown(call)
        if blocked is not None:
            self._block(claim, blocked)
            return None
        earlier = body_starts(self._store.promises, claim)
        if len(earlier.lost) >= self._parts.max_recoveries:
            self._parts.suspects.found_out()
            self._reject(claim, earlier.failure(f"the function {call.function}"))
            return None
        claim.earlier_starts[claim.execution] = earlier
        return root, leaf

    def _call_of(self, offer: Offer, root: DurablePromise, leaf: DurablePromise | None) -> Call:
        """Return the call, whose input is read if it is large. Raises `ValueLost` besides."""
        if offer.kind == "resume" and leaf is None:
            raise ValueError("nothing to resume with")
        # The value of the leaf is not read: a client that has not run the execution yet, as each of
        # ours, replays it, and gets the value then.
        self._store.promises.values.fill_param(root)
        return decode_call(root.param.data)

    def _unknown(self, call: Call) -> Blocked | None:
        """Return why the call is not run here, if this worker does not know its version."""
        versions = self._parts.versions.get(call.function, ())
        if call.version in versions:
            return None
        known = ", ".join(map(str, versions))
        found = f"{call.function} version {known}" if known else f"no function {call.function}"
        return Blocked(f"{call.function} version {call.version}", found)

    def _block(self, claim: Claim, blocked: Blocked) -> None:
        """Hand the execution back, again and again, until a worker that fits has it."""
        # The record of the block must say how far the execution was.
        if self._store.promises.ask(lambda history: history.read()):
            claim.blocked = blocked
            claim.lost = str(blocked)
        settle(self._parts, claim, may_be_held=True)
        claim.forget_values()  # it may wait long to be handed back, beside many others

    def _cancel_orphan(self, claim: Claim) -> bool:
        """Cancel a child if the first execution above it, or its parent, has ended.

        Returns whether one has. Those between them are looked at when they are claimed.
        """
        above = ancestors(claim.execution)
        first = self._existing(above[0])
        if first is not None:  # it is read in any case, so that children need not store the id
            claim.cause = claim.cause.of_request(first.tags)
        if _is_over(first):
            ended = above[0]
        elif len(above) > 1 and _is_over(self._existing(above[-1])):
            ended = above[-1]
        else:
            return False
        # The gateway cancels children one by one, and may have died before this one.
        self._log.info("child canceled", **claim.log_fields, ended=ended)
        self._store.promises.cancel(claim.execution, ikey=cancel_key(claim.execution))
        self._end(claim)
        return True

    def _existing(self, id: str) -> DurablePromise | None:
        try:
            return self._store.promises.get(id)
        except Refused as refusal:
            if refusal.code != PROMISE_NOT_FOUND:
                raise
            return None

    def _reject(self, claim: Claim, failure: Failure) -> None:
        self._log.error("execution rejected", **claim.log_fields, reason=failure.message)
        self._store.promises.reject(claim.execution, ikey=claim.execution, data=failure.rejection())
        self._end(claim)

    def _end(self, claim: Claim) -> None:
        if claim.finished:
            self._parts.leases.release(claim)
        else:
            self._parts.leases.hand_back_failed(claim)


def _is_over(promise: DurablePromise | None) -> bool:
    return promise is None or not promise.pending

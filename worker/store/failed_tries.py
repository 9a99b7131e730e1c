"""Records of failed tries in the server's store, by which clients see that a step is retried.

    <step>.failed.<counter>.<k>  the k-th try of the step has failed under a claim with this counter

The failure is a tag of the record, and the record times out when the next try begins. So no write
follows when the pause is over, and whoever reads what the execution has created last finds it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shared.ids import failed_try_id, is_execution_id, stored_id
from shared.log import get_logger
from shared.resonate import tags as tag
from shared.resonate.codec import clip
from shared.resonate.tasks import read_nothing
from shared.resonate.transport import FENCED, Refused, Unanswered
from worker.store.history import SHOWN_BYTES, claim_tags

if TYPE_CHECKING:
    from shared.resonate.codec import Failure
    from shared.resonate.transport import Transport
    from worker.tasks.claims import Claim

RECORD_SECONDS: Final = 1.0
"""Seconds after which a record is not tried again: the execution goes on without it."""


class FailedTries:
    """The records of failed tries of one claim of this worker."""

    def __init__(self, claim: Claim, worker: str, transport: Transport) -> None:
        self._claim = claim
        self._worker = worker
        self._transport = transport

    def store(self, step: str, failure: Failure, pause: float) -> None:
        """Record that a try of a step has failed, unless no client can see the record.

        Without an answer of the server it returns after one attempt of the transport, or after
        `RECORD_SECONDS`, and the record is left out. If the server knows that the claim is over, it
        is marked as lost.
        """
        claim = self._claim
        next_try_at = int((self._transport.clock.time() + pause) * 1000)
        # Clients cannot ask for children and webhooks. At the deadline the SDK tries no more.
        seen = is_execution_id(claim.execution) and next_try_at < claim.deadline
        if claim.lost is not None or not seen:
            return
        asked_at = time.monotonic()
        try:
            self._create(step, failure, next_try_at)
        except (Refused, Unanswered) as error:
            if isinstance(error, Refused) and error.code == FENCED:
                claim.lost = str(error)
            get_logger().info("failed try not recorded", **claim.log_fields, reason=str(error))
        else:
            claim.written_at = asked_at
            claim.runs(failure.step, is_retried=True)

    def _create(self, step: str, failure: Failure, next_try_at: int) -> None:
        id = failed_try_id(step, self._claim.counter, failure.attempts or 1)
        shown = replace(failure, message=clip(failure.message, SHOWN_BYTES))
        tags = {**claim_tags(self._claim, self._worker), tag.FAILED_TRY: shown.encode()}
        body = {"id": stored_id(id), "param": {}, "timeout": next_try_at, "tags": tags}
        headers = {**self._claim.fence, "idempotency-key": id}
        self._transport.call(
            "POST", "/promises", body, headers, read=read_nothing, budget=RECORD_SECONDS
        )

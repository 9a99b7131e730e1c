"""Tells of an execution's end: an execution of its own, so it survives whatever dies."""

from __future__ import annotations

import contextlib
import itertools
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.conventions import Base
from resonate.coroutine import RFI
from resonate.options import Options
from standardwebhooks import Webhook

from shared import tags as tag
from shared.destinations import Target
from shared.webhooks import PAUSES, WINDOW_SECONDS
from worker.context import Command
from worker.delivery import NotDelivered, post
from worker.errors import Permanent, StepFailed
from worker.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.settings import WebhookSettings
    from shared.store import Store
    from worker.context import Context, Workflow
    from worker.steps import Step

ONCE: Final = Retry(tries=1)
BUSY_PAUSES: Final = (1, 2, 4, 8, 15)
"""Seconds until a worker is looked for again; the last one, that of a try, as often as needed."""

GONE: Final = 410
STATUS: Final = {
    "RESOLVED": "resolved",
    "REJECTED": "rejected",
    "REJECTED_CANCELED": "canceled",
    "REJECTED_TIMEDOUT": "timedout",
}


class Ignoring:
    """An encoder for a promise whose value is not looked at."""

    def encode(self, obj: object) -> str | None:  # noqa: ARG002 - the SDK's protocol
        return None

    def decode(self, obj: str | None) -> object:  # noqa: ARG002 - the SDK's protocol
        return None


class Busy(Permanent):
    """This worker calls as many receivers as it may."""


class Webhooks:
    """The function `webhook`, with what it needs: its settings, and the store to read from.

    `at_once` is how many receivers are called at the same time: one that does not answer takes a
    lane for as long as a try may last, and jobs are to find one. `pauses` are the seconds before
    each try.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        store: Store,
        at_once: int,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._settings = settings
        self._store = store
        self._places = threading.Semaphore(at_once)
        self._pauses = pauses

    def webhook(self, context: Context, given: dict[str, str]) -> Workflow[dict[str, Any]]:
        """Wait for the end of the execution `id`, then try until its callback has taken it.

        `key` is that execution's idempotency key: with it the wait finds the promise there is.
        """
        ended = Base(given["id"], WINDOW_SECONDS, given["key"])
        pending = yield Command(RFI(ended, Options(encoder=Ignoring())))
        with contextlib.suppress(StepFailed):  # which is an end to be told like any other
            yield Command(pending)
        for number, pause in enumerate(self._pauses, 1):
            if pause:
                yield context.sleep(pause)
            try:
                status = yield from self._try(context, given["id"])
            except StepFailed:
                continue
            return {"status": status, "tries": number}
        raise NotDelivered(f"given up after {len(self._pauses)} tries")

    def _try(self, context: Context, id: str) -> Workflow[int]:
        """Try once, on a worker that has a place for it; no lane is held until then."""
        pauses = itertools.chain(BUSY_PAUSES, itertools.repeat(BUSY_PAUSES[-1]))
        while True:
            try:
                status: int = yield context.step(self.deliver, id, retry=ONCE)
            except StepFailed as failed:
                if failed.failure.type != Busy.__name__:
                    raise
            else:
                return status
            yield context.sleep(next(pauses))

    def deliver(self, step: Step, id: str) -> int:
        """Try once; return the status if that is the end of it.

        Raises `NotDelivered`, and `Busy` if it was not tried.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("this worker calls as many receivers as it may")
        try:
            return self._deliver(step, id)
        finally:
            self._places.release()

    def _deliver(self, step: Step, id: str) -> int:
        if not self._settings.secret:
            raise NotDelivered("WEBHOOK_SECRET is not set for this worker")
        promise = self._store.promises.get(id)
        url, status = promise.tags[tag.CALLBACK], STATUS[promise.state]
        body = orjson.dumps({"id": id, "status": status, "link": f"/wait?id={id}"})
        answer = post(self._settings.to, url, self._headers(id, body), body)
        log = step.log.bind(host=Target.of(url).host, answer=answer)
        if not (200 <= answer < 300 or answer == GONE):
            log.warning("webhook not taken")
            raise NotDelivered(f"the receiver answered {answer}")
        log.info("webhook ended" if answer == GONE else "webhook delivered", status=status)
        return answer

    def _headers(self, id: str, body: bytes) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Content-Type": "application/json",
            "User-Agent": "durable-http",
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self._settings.secret).sign(id, now, body.decode()),
        }

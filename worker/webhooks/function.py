"""The function `webhook`, which reports the end of an execution to a client's URL.

Each webhook is sent by an execution of its own, so it survives the death of any process.
"""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from resonate.conventions import Base
from resonate.coroutine import RFI
from resonate.options import Options
from standardwebhooks import Webhook

from shared.destinations import Target
from shared.resonate import tags as tag
from shared.resonate.states import STATUS
from shared.webhooks import PAUSES, WINDOW_SECONDS
from worker.durable.context import Command
from worker.durable.retry import RetryPolicy
from worker.errors import StepFailed
from worker.webhooks.post import NotDelivered, Poster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.resonate.store import Store
    from shared.settings import WebhookSettings
    from worker.durable.context import Context, Workflow
    from worker.durable.steps import Step
    from worker.webhooks.limits import ReceiverLimits

ONCE: Final = RetryPolicy(max_attempts=1)
FIRST_BUSY_SECONDS: Final = 1.0
LONGEST_BUSY_SECONDS: Final = 60.0
"""Seconds before an attempt that found no place asks for one again: the first pause, doubled up to
the longest."""

RECEIVER_GONE: Final = 410
"""HTTP status with which a receiver ends a webhook: no attempt follows."""


class IgnoringEncoder:
    """An encoder for a promise whose value is not needed."""

    def encode(self, obj: object) -> str | None:  # noqa: ARG002 - the SDK's protocol
        return None

    def decode(self, obj: str | None) -> object:  # noqa: ARG002 - the SDK's protocol
        return None


class Webhooks:
    """The function `webhook` with its settings, the store it reads and the limits of its calls.

    `pauses` are the seconds before each attempt.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        store: Store,
        limits: ReceiverLimits,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._settings = settings
        self._store = store
        self._limits = limits
        self._pauses = pauses
        self._poster = Poster(settings.destinations)

    def webhook(self, context: Context, ended: dict[str, str]) -> Workflow[dict[str, Any]]:
        """Wait for the end of the execution `ended["id"]`, then report it to its callback URL.

        `ended["key"]` is the idempotency key of that execution: with this key the wait finds the
        existing promise.
        """
        promise = Base(ended["id"], WINDOW_SECONDS, ended["key"])
        pending = yield Command(RFI(promise, Options(encoder=IgnoringEncoder())))
        with contextlib.suppress(StepFailed):  # a failed execution is reported like any other
            yield Command(pending)
        for number, pause in enumerate(self._pauses, 1):
            if pause:
                yield context.sleep(pause)
            try:
                status = yield from self._attempt(context, ended["id"])
            except StepFailed:
                continue
            return {"status": status, "tries": number}
        raise NotDelivered(f"given up after {len(self._pauses)} attempts")

    def _attempt(self, context: Context, id: str) -> Workflow[int]:
        """Make one attempt, on a worker that has a place; the wait for a place holds no slot."""
        pause = FIRST_BUSY_SECONDS
        while True:
            status: int | None = yield context.step(self.deliver, id, retry=ONCE)
            if status is not None:
                return status
            yield context.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_BUSY_SECONDS)

    def deliver(self, step: Step, id: str) -> int | None:
        """Make one attempt; return the final status, or None if no place was free.

        Raises `NotDelivered` if the attempt failed.
        """
        if not self._settings.secret:
            raise NotDelivered("WEBHOOK_SECRET is not set for this worker")
        promise = self._store.promises.get(id)
        url = promise.tags[tag.CALLBACK]
        target = Target.of(url)
        with self._limits.place(f"{target.host}:{target.port}") as free:
            return self._deliver(step, id, url, STATUS[promise.state]) if free else None

    def _deliver(self, step: Step, id: str, url: str, status: str) -> int:
        body = orjson.dumps({"id": id, "status": status, "link": f"/wait?id={id}"})
        answer = self._poster.post(url, self._headers(id, body), body)
        log = step.log.bind(host=Target.of(url).host, answer=answer)
        if not (200 <= answer < 300 or answer == RECEIVER_GONE):
            log.warning("webhook not accepted")
            raise NotDelivered(f"the receiver answered {answer}")
        log.info("webhook ended" if answer == RECEIVER_GONE else "webhook delivered", status=status)
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

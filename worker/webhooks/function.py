"""The function `webhook`, which reports the end of an execution to a client's URL.

Each webhook is sent by an execution of its own, so it survives the death of any process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
from standardwebhooks import Webhook

from durable_http.declarations.definition import Definition
from durable_http.errors import StepFailed
from durable_http.retry import RetryPolicy
from durable_http.types import JsonType
from shared.destinations import Target
from shared.resonate import tags as tag
from shared.resonate.causes import cause_of
from shared.resonate.states import STATUS
from shared.telemetry.tracing import tracing
from shared.webhooks import FUNCTION, PAUSES, VERSION, WINDOW_SECONDS
from worker.durable.other_executions import AwaitExecution
from worker.webhooks.limits import NotNow
from worker.webhooks.pace import LEAST_SECONDS
from worker.webhooks.post import NotDelivered, Poster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resonate.models.durable_promise import DurablePromise

    from durable_http.context import Context, Workflow
    from durable_http.step import Step
    from shared.resonate.causes import Cause
    from shared.resonate.store import Store
    from shared.settings import WebhookSettings
    from worker.webhooks.limits import Place, ReceiverLimits
    from worker.webhooks.post import Answer

ONCE: Final = RetryPolicy(max_attempts=1)
RECEIVER_GONE: Final = 410
"""HTTP status with which a receiver ends a webhook: no attempt follows."""

THROTTLED: Final = frozenset({429, 503})
"""HTTP statuses with which a receiver asks to be left alone for a while."""


@dataclass(frozen=True)
class Postponed:
    """The webhook's next turn comes in so many `seconds`.

    `called` is whether the receiver was called, and answered that it throttles.
    """

    seconds: float
    called: bool


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

    def definition(self) -> Definition:
        """Return the function as a worker serves it."""
        return Definition(
            self.webhook,
            FUNCTION,
            VERSION,
            "Reports the end of an execution to a client's URL.",
            is_workflow=True,
            takes_input=True,
            input=JsonType(Any),
            result=Any,
            private=True,
        )

    def webhook(self, context: Context, ended: dict[str, str]) -> Workflow[dict[str, Any]]:
        """Wait for the end of the execution `ended["id"]`, then report it to its callback URL.

        `ended["key"]` is the idempotency key of that execution: with this key the wait finds the
        existing promise.
        """
        yield AwaitExecution(ended["id"], ended["key"], WINDOW_SECONDS)
        turn = 0.0
        for number, pause in enumerate(self._pauses, 1):
            if max(pause, turn):
                yield context.sleep(max(pause, turn))
            try:
                outcome = yield from self._attempt(context, ended["id"], in_turn=turn > pause)
            except StepFailed:
                turn = 0.0
                continue
            if isinstance(outcome, int):
                return {"status": outcome, "tries": number}
            turn = outcome.seconds
        raise NotDelivered(f"given up after {len(self._pauses)} attempts")

    def _attempt(self, context: Context, id: str, *, in_turn: bool) -> Workflow[int | Postponed]:
        """Make one attempt, when it is the webhook's turn; the wait for it holds no slot."""
        while True:
            outcome = yield context.step(self.deliver, id, in_turn, retry=ONCE)
            match outcome:
                case int():
                    return outcome
                case {"seconds": seconds, "called": True}:
                    return Postponed(seconds, called=True)
                case {"seconds": seconds}:
                    yield context.sleep(seconds)
                case _:  # as workers stored it before they gave turns
                    yield context.sleep(LEAST_SECONDS)
            in_turn = True

    def deliver(self, step: Step, id: str, in_turn: bool) -> Any:  # noqa: FBT001
        """Make one attempt; return the final status, or a `Postponed` with the next turn.

        Raises `NotDelivered` if the attempt failed.
        """
        if not self._settings.secret:
            raise NotDelivered("WEBHOOK_SECRET is not set for this worker")
        promise = self._store.promises.get(id)
        target = Target.of(promise.tags[tag.CALLBACK])
        try:
            with self._limits.place(f"{target.host}:{target.port}", in_turn=in_turn) as place:
                return self._deliver(step, place, promise)
        except NotNow as refusal:
            return Postponed(refusal.seconds, called=False)

    def _deliver(self, step: Step, place: Place, ended: DurablePromise) -> int | Postponed:
        id, url, status = ended.id, ended.tags[tag.CALLBACK], STATUS[ended.state]
        body = orjson.dumps({"id": id, "status": status, "link": f"/wait?id={id}"})
        headers = self._headers(id, body)
        answer = self._post(url, headers, body, cause_of(ended.tags))
        log = step.log.bind(host=Target.of(url).host, answer=answer.status)
        if answer.status in THROTTLED:
            seconds = place.throttle(answer.retry_after)
            log.warning("webhook throttled", seconds=round(seconds, 3))
            return Postponed(seconds, called=True)
        if not (200 <= answer.status < 300 or answer.status == RECEIVER_GONE):
            log.warning("webhook not accepted")
            raise NotDelivered(f"the receiver answered {answer.status}")
        gone = answer.status == RECEIVER_GONE
        log.info("webhook ended" if gone else "webhook delivered", status=status)
        return answer.status

    def _post(self, url: str, headers: dict[str, str], body: bytes, cause: Cause) -> Answer:
        target = Target.of(url)
        span = tracing().webhook(target.host, target.port)
        # Without spans of ours the receiver's are parts of the span that began the execution.
        context = span.context or cause
        try:
            answer = self._poster.post(url, {**headers, **context.headers}, body)
        except NotDelivered as error:
            span.failed(type(error).__name__)
            raise
        span.answered(answer.status)
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

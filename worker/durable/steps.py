"""Runs one step: its attempts, its result as JSON, its failure as data."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

from resonate.errors import ResonateCanceledError, ResonateTimedoutError

from durable_http.copies import copied
from durable_http.errors import NonRetryableError, StepTimeout
from durable_http.results import result_json
from durable_http.step import Step
from shared.log import get_logger
from shared.resonate import tags as tag
from shared.resonate.codec import Failure
from shared.telemetry.spans import NO_SPAN
from worker.durable.recorded_tries import RecordedTries
from worker.durable.timeouts import call_within
from worker.errors import Fenced, Rejection, describe, shown
from worker.user_calls import UserCall

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from durable_http.commands import RunStep
    from durable_http.types import JsonType
    from worker.tasks.claim_handle import ClaimHandle, StepRecord


def outcome_of(step: DurablePromise) -> str:
    """Return the stored result of a step that has ended, as JSON text.

    Raises `Rejection` with its failure, or as the SDK does for a promise that ended otherwise.
    """
    if step.resolved:
        return step.value.data or "null"
    if step.rejected:
        raise Rejection(step.value.data or "null")
    if step.timedout:
        raise ResonateTimedoutError(step.id, step.abs_timeout)
    raise ResonateCanceledError(step.id)


class StepRun:
    """One step of one execution in this process, and the SDK's retry policy for it.

    A `whole` step is all of its execution.
    """

    def __init__(
        self,
        id: str,
        command: RunStep,
        result: JsonType,
        handle: ClaimHandle,
        *,
        whole: bool = False,
    ) -> None:
        self._id = id
        self._command = command
        self._result = result
        self._handle = handle
        self._whole = whole
        self._record: StepRecord | None = None
        self._retry = command.retry
        self._timeout = command.timeout
        self.attempts = 0
        """The number of attempts that were made here."""
        self._final = False
        self._failure: Failure | None = None
        self._span = NO_SPAN
        self._recorded = RecordedTries(time.monotonic())
        self._log = get_logger(**handle.claim.log_fields, step=command.name)

    def next(self, attempt: int) -> float | None:
        """Return the pause before the next attempt (the SDK's protocol of retry policies).

        The SDK asks after each attempt, and before the first one. A failed attempt is recorded
        here, on the thread on which the SDK writes, because the watcher ends attempts as well and
        must not wait for the server.
        """
        pause = None if self._final else self._retry.pause(attempt)
        failure, self._failure = self._failure, None
        if failure is None or self._record is None:
            return pause
        if pause is not None and self._record.is_over_after(pause):
            pause = None  # the SDK would not try again either, and store nothing
        with contextlib.suppress(Fenced):
            self._store_failure(self._record, failure, pause)
        return pause

    def _store_failure(self, record: StepRecord, failure: Failure, pause: float | None) -> None:
        records = self._handle.failed_tries
        if pause is None:
            record.end(tag.REJECTED, failure.encode())
        elif records is not None and self._recorded.is_due(time.monotonic(), pause):
            record.store_start()
            records.store(self._id, failure, pause)

    def run(self) -> str:
        """Make one attempt and return the result as JSON text.

        Raises `Rejection` with the failure, or `Fenced`.
        """
        self.attempts += 1
        self._final = True  # no retry for what escapes below, `Fenced` above all
        handle, name = self._handle, self._command.name
        handle.check()
        if self._record is None:
            self._record, stored = handle.steps.begin(self._id, name, whole=self._whole)
            if stored is not None and stored.completed:
                return outcome_of(stored)
        try:
            with handle.start(self._id, name):
                handle.check()  # the process may have been frozen while the start was stored
                result = self._run()
        except Rejection as rejection:
            self._failure = Failure.decode(str(rejection))
            raise
        self._record.end(tag.RESOLVED, result)
        return result

    def _run(self) -> str:
        self._log.info("step started", attempt=self.attempts)
        began = time.monotonic()
        handle, name = self._handle, self._command.name
        span = self._span = handle.claim.run.step(name, self._id, self.attempts)
        call = UserCall(handle.claim, name)
        step = Step(
            handle.claim.execution,
            name,
            self._id,
            self.attempts,
            handle.worker,
            self._log,
            lambda: call.is_over,
        )
        try:
            with span.current():
                value = self._call(call, step, copied(self._command.arguments))
            result = result_json(value, self._result, handle.max_result_bytes)
        except Fenced:
            raise
        except BaseException as error:  # noqa: BLE001 - a step may raise anything
            if call.job_failed:
                raise Fenced(handle.claim.execution) from None  # this outcome comes too late
            raise self._rejection(error) from None
        if call.left is not None:
            raise Fenced(handle.claim.execution)  # so does this one
        span.end()
        handle.metrics.step_resolved(time.monotonic() - began)
        self._log.debug("step finished", seconds=round(time.monotonic() - began, 3))
        return result

    def _call(self, call: UserCall, step: Step, arguments: tuple[Any, ...]) -> Any:
        """Call the function. Without a time limit of its own the default one holds.

        A thread for each attempt would be dear. So the thread of the SDK calls the function, and
        the watcher ends an attempt that exceeds the default limit.
        """
        calls = self._handle.calls
        if self._timeout is not None and self._timeout != math.inf:
            return call_within(self._timeout, calls, call, self._command.function, step, *arguments)
        if self._timeout is None and calls.default_limit is not None:
            call.limit = calls.default_limit
            call.overdue = self._overdue
        calls.begin(call)
        try:
            return self._command.function(step, *arguments)
        finally:
            calls.end(call)

    def _overdue(self) -> Rejection:
        seconds = self._handle.calls.default_limit or 0
        return self._rejection(StepTimeout(f"not done within {seconds:g} s"))

    def _rejection(self, error: BaseException) -> Rejection:
        self._final = not self._retry.retries(error) or self._retry.pause(self.attempts) is None
        self._handle.metrics.step_failed(error, is_final=self._final)
        self._failure = self._described(error)
        return Rejection(self._failure.encode())

    def _described(self, error: BaseException) -> Failure:
        expected = isinstance(error, (NonRetryableError, StepTimeout))
        self._span.failed(type(error).__name__)
        self._log.warning(
            "step failed",
            attempt=self.attempts,
            again=not self._final,
            error=shown(error),
            exc_info=None if expected else error,
        )
        return describe(error, step=self._command.name, attempts=self.attempts)

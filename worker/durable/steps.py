"""Runs one step: its attempts, its result as JSON, its failure as data."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from durable_http.copies import copied
from durable_http.errors import NonRetryableError, StepTimeout
from durable_http.results import result_json
from durable_http.step import Step
from shared.log import get_logger
from worker.durable.recorded_tries import RecordedTries
from worker.durable.timeouts import call_within
from worker.errors import Fenced, Rejection, describe, shown
from worker.user_calls import UserCall

if TYPE_CHECKING:
    from durable_http.commands import RunStep
    from durable_http.types import JsonType
    from shared.resonate.codec import Failure
    from worker.tasks.claim_handle import ClaimHandle


class EncodedResult(str):
    """A step's result that is JSON text already."""

    __slots__ = ()


class StepEncoder:
    """The SDK's encoder for steps: results and failures as plain JSON.

    A failure is decoded to a dictionary, like a result that is one. Only the state of the promise
    says which of the two it is, so no user's value can be mistaken for a failure.
    """

    def encode(self, obj: object) -> str | None:
        match obj:
            case EncodedResult():
                return str(obj)
            case Rejection():
                return str(obj)
            case BaseException():
                return describe(obj).encode()
            case _:
                return orjson.dumps(obj).decode()

    def decode(self, obj: str | None) -> object:
        return None if obj is None else orjson.loads(obj)


class StepRun:
    """One step of one execution in this process, and the SDK's retry policy for it."""

    def __init__(self, command: RunStep, result: JsonType, handle: ClaimHandle) -> None:
        self._command = command
        self._result = result
        self._handle = handle
        self._retry = command.retry
        self._timeout = command.timeout
        self._attempts = 0
        self._final = False
        self._failed: tuple[str, Failure] | None = None
        self._recorded = RecordedTries(time.monotonic())
        self._log = get_logger(**handle.claim.log_fields, step=command.name)

    def next(self, attempt: int) -> float | None:
        """Return the pause before the next attempt (the SDK's protocol of retry policies).

        The SDK asks after each attempt, and before the first one. A failed attempt is recorded
        here, on the thread on which the SDK writes, because the watcher ends attempts as well and
        must not wait for the server.
        """
        pause = None if self._final else self._retry.pause(attempt)
        failed, self._failed = self._failed, None
        if pause is not None and failed is not None:
            self._record(*failed, pause)
        return pause

    def _record(self, id: str, failure: Failure, pause: float) -> None:
        records = self._handle.failed_tries
        if records is not None and self._recorded.is_due(time.monotonic(), pause):
            records.store(id, failure, pause)

    def run(self, id: str) -> EncodedResult:
        """Make one attempt. Raises `Rejection` with the failure, or `Fenced`."""
        self._attempts += 1
        self._final = True  # no retry for what escapes below, `Fenced` above all
        self._handle.check()
        with self._handle.start(id, self._command.name):
            return self._run(id)

    def _run(self, id: str) -> EncodedResult:
        self._log.info("step started", attempt=self._attempts)
        began = time.monotonic()
        handle = self._handle
        call = UserCall(handle.claim, self._command.name)
        step = Step(
            handle.claim.execution,
            self._command.name,
            id,
            self._attempts,
            handle.worker,
            self._log,
            lambda: call.is_over,
        )
        try:
            value = self._call(call, step, copied(self._command.arguments))
            result = EncodedResult(result_json(value, self._result, handle.max_result_bytes))
        except Fenced:
            raise
        except BaseException as error:  # noqa: BLE001 - a step may raise anything
            if call.job_failed:
                raise Fenced(handle.claim.execution) from None  # this outcome comes too late
            raise self._rejection(id, error) from None
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
            call.overdue = partial(self._overdue, step.idempotency_key)
        calls.begin(call)
        try:
            return self._command.function(step, *arguments)
        finally:
            calls.end(call)

    def _overdue(self, id: str) -> Rejection:
        seconds = self._handle.calls.default_limit or 0
        return self._rejection(id, StepTimeout(f"not done within {seconds:g} s"))

    def _rejection(self, id: str, error: BaseException) -> Rejection:
        self._final = self._is_final(error)
        failure = self._failure(error)
        self._failed = id, failure
        return Rejection(failure.encode())

    def _is_final(self, error: BaseException) -> bool:
        return not self._retry.retries(error) or self._retry.pause(self._attempts) is None

    def _failure(self, error: BaseException) -> Failure:
        expected = isinstance(error, (NonRetryableError, StepTimeout))
        self._log.warning(
            "step failed",
            attempt=self._attempts,
            again=not self._final,
            error=shown(error),
            exc_info=None if expected else error,
        )
        return describe(error, step=self._command.name, attempts=self._attempts)

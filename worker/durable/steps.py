"""Runs one step: its attempts, its result as JSON, its failure as data."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.log import Logger, get_logger
from worker.durable.retry import RecordedTries
from worker.durable.timeouts import call_within
from worker.durable.values import json_of
from worker.errors import (
    Fenced,
    NonRetryableError,
    Rejection,
    StepTimeout,
    describe,
    shown,
)
from worker.user_calls import UserCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.codec import Failure
    from worker.durable.retry import RetryPolicy
    from worker.tasks.leases import ClaimHandle

NEVER_RETRIED: Final = (NonRetryableError, SystemExit)

type StepFunction = Callable[..., Any]
"""A plain function whose first argument is a `Step`; it may run more than once."""


@dataclass(frozen=True)
class Step:
    """What a step's function gets as its first argument.

    `idempotency_key` is the same whenever this step of this execution runs, and different for every
    other step. Pass it to the service that the step calls: then a repeated step has no second
    effect there.

    `canceled()` costs next to nothing and returns True once nobody waits for this attempt: the
    execution was canceled, its deadline has passed, the attempt's time is over, or another worker
    has taken the execution over. A long step asks it now and then, and stops by itself.
    """

    execution: str
    name: str
    idempotency_key: str
    attempt: int
    worker: str
    log: Logger
    canceled: Callable[[], bool] = field(default=lambda: False, repr=False, compare=False)


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

    def __init__(
        self,
        function: StepFunction,
        name: str,
        handle: ClaimHandle,
        retry: RetryPolicy,
        timeout: float | None,
    ) -> None:
        self._function = function
        self.name = name
        self._handle = handle
        self._retry = retry
        self._timeout = timeout
        self._attempts = 0
        self._final = False
        self._failed: tuple[str, Failure] | None = None
        self._recorded = RecordedTries(time.monotonic())
        self._log = get_logger(**handle.claim.log_fields, step=name)

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

    def run(self, id: str, arguments: tuple[Any, ...]) -> EncodedResult:
        """Make one attempt. Raises `Rejection` with the failure, or `Fenced`."""
        self._attempts += 1
        self._final = True  # no retry for what escapes below, `Fenced` above all
        self._handle.check()
        with self._handle.start(id, self.name):
            return self._run(id, arguments)

    def _run(self, id: str, arguments: tuple[Any, ...]) -> EncodedResult:
        self._log.info("step started", attempt=self._attempts)
        began = time.monotonic()
        handle = self._handle
        call = UserCall(handle.claim, self.name)
        step = Step(
            handle.claim.execution,
            self.name,
            id,
            self._attempts,
            handle.worker,
            self._log,
            lambda: call.is_over,
        )
        try:
            value = self._call(call, step, arguments)
            result = EncodedResult(json_of(value, handle.max_result_bytes))
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
            return call_within(self._timeout, calls, call, self._function, step, *arguments)
        if self._timeout is None and calls.default_limit is not None:
            call.limit = calls.default_limit
            call.overdue = partial(self._overdue, step.idempotency_key)
        calls.begin(call)
        try:
            return self._function(step, *arguments)
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
        never: tuple[type[BaseException], ...] = (*NEVER_RETRIED, *self._retry.non_retryable)
        return isinstance(error, never) or self._retry.pause(self._attempts) is None

    def _failure(self, error: BaseException) -> Failure:
        expected = isinstance(error, (NonRetryableError, StepTimeout))
        self._log.warning(
            "step failed",
            attempt=self._attempts,
            again=not self._final,
            error=shown(error),
            exc_info=None if expected else error,
        )
        return describe(error, step=self.name, attempts=self._attempts)

"""Runs one step: its tries, its result as JSON, its failure as data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.log import Logger, get_logger
from worker.durable.timeouts import call_within, overdue_threads
from worker.errors import (
    Fenced,
    NonRetryableError,
    Rejection,
    StepTimeout,
    describe,
    json_of,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.codec import Failure
    from worker.durable.retry import RetryPolicy
    from worker.tasks.leases import ClaimHandle

NEVER_RETRIED: Final = (NonRetryableError, SystemExit)

type StepFunction = Callable[..., Any]
"""A plain function whose first argument is a `Step`; what it does may happen more than once."""


@dataclass(frozen=True)
class Step:
    """What a step is told about itself.

    `idempotency_key` is the same whenever this step of this execution runs, and different for every
    other: hand it to the service that is called, so that a repeated step has no second effect.
    """

    execution: str
    name: str
    idempotency_key: str
    attempt: int
    worker: str
    log: Logger


class Encoded(str):
    """A step's result, already JSON."""

    __slots__ = ()


class StepEncoder:
    """The SDK's encoder for steps: results and failures as plain JSON.

    Decoding gives a failure back as the dictionary it was stored as; only the store's state tells
    it from a result, so no value of a user can be taken for a failure.
    """

    def encode(self, obj: object) -> str | None:
        match obj:
            case Encoded():
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
    """One step of one execution in this process; the SDK asks it when to try again."""

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
        self._tries = 0
        self._over = False
        self._log = get_logger(**handle.claim.named, step=name)

    def next(self, attempt: int) -> float | None:
        """Return the pause before the next try (the SDK's retry policy protocol)."""
        return None if self._over else self._retry.pause(attempt)

    def run(self, id: str, arguments: tuple[Any, ...]) -> Encoded:
        """Try the step once. Raises `Rejection` with the failure, or `Fenced`."""
        self._tries += 1
        self._over = True  # for whatever escapes below: a fence, most of all
        self._handle.check()
        self._log.info("step started", attempt=self._tries)
        began = time.monotonic()
        handle = self._handle
        step = Step(handle.claim.execution, self.name, id, self._tries, handle.worker, self._log)
        try:
            value = call_within(self._timeout, self._function, step, *arguments)
            result = Encoded(json_of(value))
        except Fenced:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a step may raise anything
            self._over = self._is_final(error)
            raise Rejection(self._failure(error).encode()) from None
        self._log.debug("step finished", seconds=round(time.monotonic() - began, 3))
        return result

    def _is_final(self, error: BaseException) -> bool:
        never: tuple[type[BaseException], ...] = (*NEVER_RETRIED, *self._retry.non_retryable)
        return isinstance(error, never) or self._retry.pause(self._tries) is None

    def _failure(self, error: BaseException) -> Failure:
        expected = isinstance(error, (NonRetryableError, StepTimeout))
        overdue = {"overdue_threads": overdue_threads()} if isinstance(error, StepTimeout) else {}
        self._log.warning(
            "step failed",
            attempt=self._tries,
            again=not self._over,
            error=shown(error),
            exc_info=None if expected else error,
            **overdue,
        )
        return describe(error, step=self.name, attempts=self._tries)

"""Runs a plain function, which is the only step of its execution, on the thread of its slot.

The SDK carries a function from wait to wait, over three threads. A plain function has no waits, so
its first claim needs none of that. What an earlier claim may have begun is left to the SDK.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

import orjson

from durable_http.types import JsonType
from shared.log import get_logger
from shared.resonate.codec import Failure
from worker.durable.driver import body_of, failure_of
from worker.durable.steps import StepRun
from worker.errors import Fenced, Rejection
from worker.store.numbered_parts import numbered_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable_http.declarations.definition import Definition
    from shared.resonate.store import Promises
    from worker.tasks.claim_handle import ClaimHandle

LOOK_SECONDS: Final = 0.2
"""Seconds between two looks at the claim in the pause before an attempt."""


def run_plain(
    definition: Definition,
    input_json: str,
    handle: ClaimHandle,
    promises: Promises,
    afterwards: Callable[[], None],
) -> bool:
    """Run a plain function until its end is stored, or the claim is lost.

    If an attempt exceeds its time limit, this returns False when the attempt ends, if ever; another
    thread goes on meanwhile, and calls `afterwards` in the end.
    """
    return _PlainRun(definition, handle, promises, afterwards).run(input_json)


class _Attempt:
    """The outcome of one attempt, which is given once: by its thread, or in its thread's place."""

    def __init__(self, go_on: Callable[[BaseException], None]) -> None:
        self._go_on = go_on
        self._untaken = threading.Lock()

    def take(self) -> bool:
        return self._untaken.acquire(blocking=False)

    def fail(self, error: BaseException) -> None:
        threading.Thread(target=self._go_on, args=(error,), name="plain", daemon=True).start()


class _PlainRun:
    """One execution of a plain function under its first claim."""

    def __init__(
        self,
        definition: Definition,
        handle: ClaimHandle,
        promises: Promises,
        afterwards: Callable[[], None],
    ) -> None:
        self._definition = definition
        self._handle = handle
        self._promises = promises
        self._afterwards = afterwards
        self._log = get_logger(**handle.claim.log_fields)

    def run(self, input_json: str) -> bool:
        """As `run_plain`."""
        definition, handle = self._definition, self._handle
        try:
            step: Any = next(body_of(definition, handle, orjson.loads(input_json)))
        except Fenced:
            return True
        except Exception as error:  # noqa: BLE001 - what a type's own code raises
            self._reject(failure_of(error, self._log))
            return True
        id = numbered_id(handle.claim.execution, 1)
        self._step = StepRun(id, step, JsonType(definition.result), handle, whole=True)
        return self._try()

    def _try(self) -> bool:
        while True:
            attempt = _Attempt(self._go_on)
            thread = threading.current_thread()
            vars(thread)["job"] = attempt  # where the watcher finds what to end
            result, error = "", None
            try:
                result = self._step.run()
            except BaseException as raised:  # noqa: BLE001 - this thread must live on
                # With its traceback an error would keep the frames it came through, and the
                # function's values, until the garbage collector comes.
                raised.__traceback__ = raised.__context__ = None
                error = raised
            del vars(thread)["job"]
            if not attempt.take():
                return False
            if error is None:
                self._end(self._promises.resolve, orjson.dumps(result).decode())
                return True
            if not self._waits(error):
                return True

    def _go_on(self, error: BaseException) -> None:
        """Go on in the place of a thread whose attempt has failed, though it is still in it."""
        if not self._waits(error) or self._try():
            self._afterwards()

    def _waits(self, error: BaseException) -> bool:
        """Wait until the next attempt; return False if there is none, and the failure is stored."""
        if not isinstance(error, Rejection):  # the claim is lost
            self._handle.claim.lost = self._handle.claim.lost or repr(error)
            return False
        pause = self._step.next(self._step.attempts)
        if pause is None:
            failure = Failure.decode(str(error))
            self._log.warning("execution failed", error=failure.message)
            self._reject(failure)
            return False
        end = time.monotonic() + pause
        while self._handle.claim.lost is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, LOOK_SECONDS))
        return self._handle.claim.lost is None

    def _reject(self, failure: Failure) -> None:
        self._end(self._promises.reject, failure.rejection())

    def _end(self, settle: Callable[..., object], data: str) -> None:
        id = self._handle.claim.execution
        settle(id, ikey=id, data=data)

"""Makes a function durable: runs its body for the SDK and turns every failure into data."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from resonate.errors import ResonateCanceledError, ResonateTimedoutError

from shared.log import get_logger
from shared.resonate.codec import Failure, decode_rejection
from worker.durable.children import StoredOutcome
from worker.durable.context import Command, Context
from worker.durable.values import json_of
from worker.errors import Fenced, Rejection, StepFailed, TimedOut, describe, shown
from worker.tasks.leases import CLAIM_DEPENDENCY
from worker.user_calls import UserCall

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import resonate

    from worker.durable.context import DurableFunction, Workflow
    from worker.tasks.leases import ClaimHandle


def durable(function: DurableFunction) -> Callable[..., Generator[Any, Any, str]]:
    """Wrap a function for the SDK: one JSON text in, one JSON text out, every failure as data.

    A plain function becomes the only step of its execution.
    """
    if inspect.isgeneratorfunction(function):
        workflow = function
    else:

        def workflow(context: Context, value: Any) -> Workflow[Any]:
            return (yield context.step(function, value))

    def execution(sdk: resonate.Context, input_json: str) -> Generator[Any, Any, str]:
        handle: ClaimHandle = sdk.get_dependency(CLAIM_DEPENDENCY)
        log = get_logger(**handle.claim.log_fields)
        try:
            body = workflow(Context(sdk, handle), orjson.loads(input_json))
            handle.claim.close_body = partial(_close, body, handle)
            return json_of((yield from _drive(body, handle)), handle.max_result_bytes)
        except Fenced:
            raise
        except Exception as raised:
            error = raised.error if isinstance(raised, _BodyFailed) else raised
            expected = isinstance(error, StepFailed)
            log.warning(
                "execution failed", error=shown(error), exc_info=None if expected else error
            )
            rejection = Rejection(describe(error).encode())
            # A traceback has the frames it came through, and these have the error: a cycle that
            # would keep the function's values until the garbage collector comes.
            raised.__traceback__ = error.__traceback__ = None
            raise rejection from None

    return execution


class _BodyFailed(Exception):
    """Carries what a body has raised, which may be no `Exception`: the SDK takes nothing else."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _drive(body: Workflow[Any], handle: ClaimHandle) -> Generator[Any, Any, Any]:
    """Run the function's body, and translate the SDK's exceptions at its yields.

    When the claim is lost the body is closed: its `finally` blocks run, its `except` blocks do not.
    """
    send, value = body.send, None
    while True:
        call = handle.calls.begin(UserCall(handle.claim, None))
        try:
            command = send(value)
        except StopIteration as end:
            return end.value
        except BaseException as error:  # noqa: BLE001 - a body may raise anything
            raise _BodyFailed(error) from None
        finally:
            handle.calls.end(call)
        if not isinstance(command, Command):
            what = type(command).__name__
            send, value = body.throw, TypeError(f"yield what the context makes, not {what}")
            continue
        try:
            outcome = command.read((yield command.for_sdk))
            if command.waits:
                outcome = outcome.read((yield outcome.for_sdk))
            send, value = body.send, outcome
        except Fenced:
            _close(body, handle)
            raise
        except Exception as error:  # noqa: BLE001 - all that the SDK can raise here is an outcome
            send, value = body.throw, _failure_of(error)


def _close(body: Workflow[Any], handle: ClaimHandle) -> None:
    call = handle.calls.begin(UserCall(handle.claim, None))
    try:
        body.close()
    except BaseException as error:  # noqa: BLE001 - nobody waits for what a `finally` raises
        get_logger(**handle.claim.log_fields).warning("finally failed", error=shown(error))
    finally:
        handle.calls.end(call)


def _failure_of(error: Exception) -> StepFailed:
    """Return what the function's body sees of an exception of the SDK."""
    if isinstance(error, ResonateTimedoutError):
        return TimedOut(Failure("TimedOut", "the signal or the child did not come in time"))
    if isinstance(error, ResonateCanceledError):
        return StepFailed(Failure("Canceled", "the child was canceled"))
    match error.args:
        case (StoredOutcome() as stored,):
            return StepFailed(decode_rejection(str(stored)))
        case ({"type": str(), "message": str()} as stored,):
            return StepFailed(Failure.of(stored))
        case _:
            return StepFailed(describe(error))

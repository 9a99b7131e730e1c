"""Makes a function durable: runs its body for the SDK and turns every failure into data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from resonate.errors import ResonateCanceledError, ResonateTimedoutError

from durable_http.commands import Command
from durable_http.context import Context
from durable_http.errors import StepFailed, TimedOut
from durable_http.results import result_json
from durable_http.types import InvalidValue, JsonType
from shared.log import get_logger
from shared.resonate.codec import Failure, decode_rejection
from worker.durable.children import StoredOutcome
from worker.durable.interpreter import Interpreter
from worker.errors import Fenced, InvalidInput, Rejection, describe, shown
from worker.tasks.claim_handle import CLAIM_DEPENDENCY
from worker.user_calls import UserCall

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import resonate
    from structlog.typing import FilteringBoundLogger

    from durable_http.context import Workflow
    from durable_http.declarations.definition import Definition
    from worker.tasks.claim_handle import ClaimHandle


def durable(definition: Definition) -> Callable[..., Generator[Any, Any, str]]:
    """Wrap a function for the SDK: one JSON text in, one JSON text out, every failure as data.

    A plain function becomes the only step of its execution.
    """

    def execution(sdk: resonate.Context, input_json: str) -> Generator[Any, Any, str]:
        handle: ClaimHandle = sdk.get_dependency(CLAIM_DEPENDENCY)
        log = get_logger(**handle.claim.log_fields)
        interpreter = Interpreter(sdk, handle, whole=not definition.is_workflow)
        try:
            body = body_of(definition, handle, orjson.loads(input_json))
            handle.claim.close_body = partial(_close, body, handle)
            # No name for the result: a failure below would keep this frame, and a large result.
            return _encoded(definition, (yield from _drive(body, interpreter, handle)), handle)
        except Fenced:
            raise
        except Exception as raised:  # noqa: BLE001 - every failure becomes data
            error = raised.error if isinstance(raised, _BodyFailed) else raised
            handle.metrics.body_failed(error)
            rejection = Rejection(failure_of(error, log).encode())
            # A traceback has the frames it came through, and these have the error: a cycle that
            # would keep the function's values until the garbage collector comes.
            raised.__traceback__ = error.__traceback__ = None
            raise rejection from None

    return execution


def failure_of(error: BaseException, log: FilteringBoundLogger) -> Failure:
    """Return the failure of an execution that ends with this error, which is logged."""
    expected = isinstance(error, (StepFailed, InvalidInput))
    log.warning("execution failed", error=shown(error), exc_info=None if expected else error)
    return describe(error)


class _BodyFailed(Exception):
    """Carries what a body has raised, which may be no `Exception`: the SDK takes nothing else."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def body_of(definition: Definition, handle: ClaimHandle, value: Any) -> Workflow[Any]:
    """Return the function's body, which has not begun. Raises `InvalidInput`, or `Fenced`."""
    context = Context(handle.claim.execution, definition.retry)
    arguments: tuple[Any, ...] = ()
    if definition.takes_input:
        try:
            arguments = (definition.input.convert(value),)
        except InvalidValue as error:
            what = f"{definition.name} version {definition.version}"
            # The gateway's schema let it through, so it is of another version of this code; what
            # the type's own code refuses, no schema could tell.
            if not error.by_code:
                refused = f"{what}, which refuses it: {error}"
                handle.history.block_if_begun(f"input of {what}", refused)
            raise InvalidInput(f"{definition.name} does not take the input: {error}") from error
    if definition.is_workflow:
        body: Workflow[Any] = definition.function(context, *arguments)
        return body
    return _only_step(definition, context, arguments)


def _only_step(
    definition: Definition, context: Context, arguments: tuple[Any, ...]
) -> Workflow[Any]:
    return (yield context.step(definition.function, *arguments, name=definition.name))


def _encoded(definition: Definition, result: Any, handle: ClaimHandle) -> str:
    """Return the function's result as JSON. Raises `WrongResult`, `NotJson`, `ResultTooLarge`."""
    # The result of a plain function is its step's, which was checked.
    result_type = JsonType(definition.result if definition.is_workflow else Any)
    return result_json(result, result_type, handle.max_result_bytes)


def _drive(
    body: Workflow[Any], interpreter: Interpreter, handle: ClaimHandle
) -> Generator[Any, Any, Any]:
    """Run the function's body, and translate the SDK's exceptions at its yields.

    When the claim is lost the body is closed: its `finally` blocks run, its `except` blocks do not.
    """
    send: Callable[[Any], Any] = body.send
    value: Any = None
    while True:
        try:
            command = _advanced(send, value, handle)
        except StopIteration as end:
            handle.history.check_end(interpreter.position)
            return end.value
        except BaseException as error:  # noqa: BLE001 - a body may raise anything
            handle.history.check_end(interpreter.position)
            raise _BodyFailed(error) from None
        if not isinstance(command, Command):
            what = type(command).__name__
            send, value = body.throw, TypeError(f"yield what the context makes, not {what}")
            continue
        try:
            value = yield from interpreter.run(command)
            send = body.send
        except Fenced:
            _close(body, handle)
            raise
        except Exception as error:  # noqa: BLE001 - all that the SDK can raise here is an outcome
            send, value = body.throw, _seen_of(error)


def _advanced(send: Callable[[Any], Any], value: Any, handle: ClaimHandle) -> Any:
    """Return what the body yields next. Raises what the body raises, or `StopIteration`."""
    call = handle.calls.begin(UserCall(handle.claim, None))
    try:
        return send(value)
    finally:
        handle.calls.end(call)


def _close(body: Workflow[Any], handle: ClaimHandle) -> None:
    call = handle.calls.begin(UserCall(handle.claim, None))
    try:
        body.close()
    except BaseException as error:  # noqa: BLE001 - nobody waits for what a `finally` raises
        get_logger(**handle.claim.log_fields).warning("finally failed", error=shown(error))
    finally:
        handle.calls.end(call)


def _seen_of(error: Exception) -> Exception:
    """Return what the function's body sees of an exception of the SDK, or of its command."""
    if isinstance(error, ResonateTimedoutError):
        return TimedOut()
    if isinstance(error, ResonateCanceledError):
        return StepFailed("the child was canceled", type="Canceled")
    if isinstance(error, Rejection):
        return _step_failed(Failure.decode(str(error)))
    match error.args:
        case (StoredOutcome() as stored,):
            return _step_failed(decode_rejection(str(stored)))
        case _:
            return error


def _step_failed(failure: Failure) -> StepFailed:
    return StepFailed(
        failure.message, type=failure.type, step=failure.step, attempts=failure.attempts
    )

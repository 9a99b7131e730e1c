"""Durable functions that misbehave: what they return, raise or yield, and what they do."""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from durable_http import Context, RetryPolicy, Step, StepFailed, Workflow
from tests.support.worker.program import declare
from tests.support.worker.unusual import QUICK, nothing

NAN = float("nan")
INFINITY = float("inf")

POISONED: Final = 86
"""Exit code of a worker that a function has ended."""


class Awkward(Exception):
    """An error that can neither be copied from its arguments nor shown as text."""

    def __init__(self, one: object, *, two: object) -> None:
        super().__init__()
        self.parts = one, two

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Panic(BaseException):
    """What an extension raises when its own code has panicked; it cannot be shown as text."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


def circle() -> list[Any]:
    """Return a list that contains itself."""
    made: list[Any] = []
    made.append(made)
    return made


def nested(levels: int) -> list[Any]:
    """Return lists that are nested this many levels deep."""
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


RESULTS: dict[str, Any] = {
    "tuple_keys": {(1, 2): 3},
    "circular": circle(),
    "deep": nested(2000),
    "a_set": {1, 2},
    "an_object": object(),
    "surrogate": "\udce9",
    "huge_integer": 2**70,
    "some_bytes": b"\xff",
    "not_finite": {"rows": [1.0, {"ratio": float("-inf")}]},
}


ERRORS: dict[str, BaseException] = {
    "awkward": Awkward(1, two=2),
    "exits": SystemExit(3),
    "long_message": ValueError("x" * 10_000_000),
    "surrogate_message": ValueError("\udce9"),
    "recursion": RecursionError("too deep"),
    "timeout": TimeoutError(),
    "stop_iteration": StopIteration(1),
    "cancelled_task": asyncio.CancelledError(),
    "panic": Panic(),
}


def returning(result: Any) -> Callable[..., Any]:
    """Make a plain function with this result, which cannot be stored."""

    def function(_: Step, __: Any) -> Any:
        return result

    return function


def raising(error: BaseException) -> Callable[..., Any]:
    """Make a plain function that raises this error."""

    def function(_: Step, __: Any) -> Any:
        raise error

    return function


def body_returning(result: Any) -> Callable[..., Any]:
    """Make a generator with this result, which cannot be stored."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        yield context.step(nothing, retry=QUICK)
        return result

    return function


def body_raising(error: BaseException) -> Callable[..., Any]:
    """Make a generator that raises this error after a step."""

    def function(context: Context, _: Any) -> Workflow[Any]:
        yield context.step(nothing, retry=QUICK)
        raise error

    return function


def yields_garbage(_: Context, __: Any) -> Workflow[Any]:
    """Yield a value that is no command of the context."""
    return (yield 5)  # type: ignore[misc]  # on purpose


def hangs(context: Context, seconds: float | None) -> Workflow[Any]:
    """Run a step that exceeds its timeout."""

    def hang(_: Step) -> None:
        time.sleep(seconds or 3.0)

    return (yield context.step(hang, retry=RetryPolicy(max_attempts=1), timeout=0.2))


def holds_gil(context: Context, seconds: float) -> Workflow[str]:
    """Run a step that keeps the interpreter's lock, as a C extension may, and then another."""

    def hold(_: Step) -> None:
        # Functions of a PyDLL keep the lock while they run.
        ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))

    yield context.step(hold, retry=QUICK)
    yield context.step(nothing, name="after")
    return "done"


def dies(how: Callable[[], object]) -> Callable[..., Any]:
    """Make a generator whose second step ends the worker, and which names the failure of that."""

    def function(context: Context, _: Any) -> Workflow[dict[str, Any]]:
        yield context.step(nothing, name="before")
        try:
            yield context.step(lambda _: how(), name="die", retry=QUICK)
        except StepFailed as error:
            yield context.step(nothing, name="compensate")
            return {"caught": error.type, "attempts": error.attempts}
        return {}

    return function


def kills(_: Step, seconds: float | None) -> None:
    """End the worker after this many seconds."""
    time.sleep(seconds or 0)
    os._exit(POISONED)


def kills_when_told(_: Step, path: str) -> None:
    """End the worker once a file is there, and take the file along."""
    told = Path(path)
    while not told.exists():
        time.sleep(0.01)
    told.unlink()
    os._exit(POISONED)


def body_kills(context: Context, after: int) -> Workflow[None]:
    """End the worker in the body, after this many steps."""
    for _ in range(after):
        yield context.step(nothing)
    os._exit(POISONED)


UNSTORABLE: dict[str, tuple[type[Exception], Callable[[Context], object]]] = {
    "sleep_nan": (ValueError, lambda context: context.sleep(NAN)),
    "sleep_inf": (ValueError, lambda context: context.sleep(INFINITY)),
    "sleep_past": (ValueError, lambda context: context.sleep(-1e300)),
    "sleep_long": (ValueError, lambda context: context.sleep(10**400)),
    "sleep_text": (TypeError, lambda context: context.sleep("1")),  # type: ignore[arg-type]
    "signal_nan": (ValueError, lambda context: context.signal("a", timeout=NAN)),
    "signal_none": (TypeError, lambda context: context.signal("a", timeout=None)),  # type: ignore[arg-type]
    "call_nan": (ValueError, lambda context: context.call("foo", timeout=NAN)),
    "begin_inf": (ValueError, lambda context: context.begin("foo", timeout=INFINITY)),
    "step_timeout": (ValueError, lambda context: context.step(nothing, timeout=NAN)),
    "name_surrogate": (ValueError, lambda context: context.step(nothing, name="caf\udce9")),
    "name_nul": (ValueError, lambda context: context.begin_step(nothing, name="a\0b")),
    "name_empty": (ValueError, lambda context: context.step(nothing, name="")),
    "name_long": (ValueError, lambda context: context.step(nothing, name="x" * 201)),
    "name_bytes": (TypeError, lambda context: context.step(nothing, name=b"x")),  # type: ignore[arg-type]
    "progress_nan": (ValueError, lambda context: context.progress(NAN, 1)),  # type: ignore[arg-type]
    "progress_huge": (ValueError, lambda context: context.progress(1, 10**30)),
    "retry_endless": (
        ValueError,
        lambda context: context.step(nothing, retry=RetryPolicy(max_attempts=NAN)),  # type: ignore[arg-type]
    ),
    "retry_pause": (
        ValueError,
        lambda context: context.step(nothing, retry=RetryPolicy(max_interval=INFINITY)),
    ),
}
"""Commands that cannot be stored, and the errors that the body gets where it makes them."""


def body_making(make: Callable[[Context], object]) -> Callable[..., Any]:
    """Make a generator that returns the name of the error of making a command."""

    def function(context: Context, _: Any) -> Workflow[str]:
        yield context.step(nothing, name="before")
        try:
            make(context)
        except (TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    return function


def unencodable(context: Context, _: Any) -> Workflow[None]:
    """Pass the context by, with a step whose tag has no encoding."""
    yield context.step(nothing, name="before")
    yield replace(context.step(nothing), name="caf\udce9")


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    **{f"returns_{name}": returning(value) for name, value in RESULTS.items()},
    **{f"body_returns_{name}": body_returning(value) for name, value in RESULTS.items()},
    **{f"raises_{name}": raising(error) for name, error in ERRORS.items()},
    **{f"body_raises_{name}": body_raising(error) for name, error in ERRORS.items()},
    **{f"makes_{name}": body_making(make) for name, (_, make) in UNSTORABLE.items()},
    "yields_garbage": yields_garbage,
    "hangs": hangs,
    "unencodable": unencodable,
    "holds_gil": holds_gil,
    "kills": kills,
    "kills_when_told": kills_when_told,
    "body_kills": body_kills,
    "dies": dies(lambda: os._exit(POISONED)),
    "segfaults": dies(lambda: ctypes.string_at(0)),
}

declare(FUNCTIONS)

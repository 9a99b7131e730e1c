"""`@function`: declares a durable function beside its code."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, overload

from durable_http.arguments import checked_limit, checked_signal
from durable_http.declarations.registered import register
from durable_http.errors import DeclarationError
from durable_http.retry import DEFAULT_RETRY, RetryPolicy
from durable_http.types import JsonType, annotation_of, result_annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import timedelta

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of functions, which clients send."""

MOST_VERSION: Final = 1_000_000

LONGEST_TIMEOUT: Final = 365 * 86400
"""Seconds that an execution may take."""

ATTRIBUTE: Final = "__durable_http__"


@dataclass(frozen=True)
class Definition:
    """A durable function and what is declared of it.

    `is_workflow` is False for a plain function, which runs as the only step of its execution.
    `timeout` is the time of an execution in seconds, None for the service's default. `input` is the
    type of the input, `result` the annotation of the result.
    """

    function: Callable[..., Any]
    name: str
    version: int
    summary: str
    is_workflow: bool
    takes_input: bool
    input: JsonType
    result: Any
    private: bool = False
    timeout: float | None = None
    retry: RetryPolicy = DEFAULT_RETRY
    signals: tuple[str, ...] = ()
    default_input: Any = None

    @property
    def module(self) -> str:
        """The name of the module in which the function is declared."""
        return self.function.__module__


@overload
def function[F: Callable[..., Any]](declared: F, /) -> F: ...


@overload
def function[F: Callable[..., Any]](
    *,
    name: str | None = None,
    version: int = 1,
    private: bool = False,
    timeout: float | timedelta | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
    signals: Iterable[str] = (),
    default_input: Any = None,
) -> Callable[[F], F]: ...


def function(  # noqa: PLR0913 - what can be declared
    declared: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: int = 1,
    private: bool = False,
    timeout: float | timedelta | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
    signals: Iterable[str] = (),
    default_input: Any = None,
) -> Any:
    """Declare a durable function, which clients and other functions begin by its name.

    A generator function takes a `Context` and orders steps. A plain function takes a `Step` and
    runs as the only step of its execution. Each takes one input besides, or none; the annotation of
    the input says what clients may send.

    The name is the function's own by default, the summary is the first line of its docstring. Raise
    `version` when the order of its steps changes; functions of one name and several versions may
    stand side by side, and the newest is begun. A `private` function is begun by other functions
    only. `timeout` is the time of an execution where the client gives none, in seconds. `retry` is
    for steps without a policy of their own. `signals` are the names that it waits for.
    `default_input` is the input of a request without a body.

    Raises `DeclarationError` for what cannot be declared so.
    """

    def declare[F: Callable[..., Any]](code: F) -> F:
        definition = define(
            code,
            name=name,
            version=version,
            private=private,
            timeout=timeout,
            retry=retry,
            signals=signals,
            default_input=default_input,
        )
        try:
            setattr(code, ATTRIBUTE, definition)
        except AttributeError as error:
            what = type(code).__name__
            raise DeclarationError(
                f"{definition.name}: a {what} cannot be declared; declare a function"
            ) from error
        register(definition)
        return code

    return declare if declared is None else declare(declared)


def definition_of(code: Callable[..., Any]) -> Definition:
    """Return what is declared of a function. Raises `TypeError` if it is no durable function."""
    definition = getattr(code, ATTRIBUTE, None)
    if not isinstance(definition, Definition):
        what = getattr(code, "__name__", repr(code))
        raise TypeError(f"{what} is no durable function; declare it with @function")
    return definition


def define(  # noqa: PLR0913 - what can be declared
    code: Callable[..., Any],
    *,
    name: str | None = None,
    version: int = 1,
    private: bool = False,
    timeout: float | timedelta | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
    signals: Iterable[str] = (),
    default_input: Any = None,
) -> Definition:
    """Return the definition of a function without declaring it. Takes and raises as `function`."""
    label = getattr(code, "__name__", "") if name is None else name
    if not (isinstance(label, str) and NAME.fullmatch(label)):
        raise DeclarationError(f"{label!r} cannot name a function; use {NAME.pattern}")
    if isinstance(version, bool) or not (isinstance(version, int) and 1 <= version <= MOST_VERSION):
        raise DeclarationError(f"{label}: a version is 1 to {MOST_VERSION}, not {version!r}")
    original = inspect.unwrap(code)
    if inspect.iscoroutinefunction(original) or inspect.isasyncgenfunction(original):
        raise DeclarationError(f"{label}: a durable function is not async; steps may run asyncio")
    try:
        parameter = _input_parameter(label, code)
        input = JsonType(Any if parameter is None else annotation_of(code, parameter.name))
        return Definition(
            code,
            label,
            version,
            (inspect.getdoc(code) or "").partition("\n")[0],
            is_workflow=inspect.isgeneratorfunction(original),
            takes_input=parameter is not None,
            input=input,
            result=result_annotation(code),
            private=private,
            timeout=_checked_timeout(timeout),
            retry=_retry(retry),
            signals=_signals(signals),
            default_input=_default_input(parameter, default_input),
        )
    except (TypeError, ValueError) as error:
        raise DeclarationError(f"{label}: {error}") from error


def _input_parameter(label: str, code: Callable[..., Any]) -> inspect.Parameter | None:
    parameters = list(inspect.signature(code).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not 1 <= len(parameters) <= 2 or any(each.kind not in positional for each in parameters):
        raise DeclarationError(
            f"{label}: a durable function takes its context, or its step, and one input or none"
        )
    return parameters[1] if len(parameters) == 2 else None


def _checked_timeout(timeout: float | timedelta | None) -> float | None:
    seconds = checked_limit(timeout, "timeout")
    if seconds is not None and not 1 <= seconds <= LONGEST_TIMEOUT:
        raise ValueError(f"timeout must be 1 to {LONGEST_TIMEOUT} seconds, not {seconds:g}")
    return seconds


def _retry(policy: object) -> RetryPolicy:
    if not isinstance(policy, RetryPolicy):
        raise TypeError(f"retry must be a RetryPolicy, not {type(policy).__name__}")
    return policy


def _signals(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):  # a string is an iterable of strings too
        raise TypeError(f"signals are names in a tuple or a list, not {names!r:.250}")
    return tuple(map(checked_signal, names))


def _default_input(parameter: inspect.Parameter | None, default_input: Any) -> Any:
    has_default = parameter is not None and parameter.default is not inspect.Parameter.empty
    if default_input is None and parameter is not None and has_default:
        return parameter.default
    return default_input

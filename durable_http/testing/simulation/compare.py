"""Whether two runs of a function have asked for the same."""

from __future__ import annotations

import math
from types import FunctionType
from typing import TYPE_CHECKING, Any

from durable_http.commands import (
    BeginChild,
    BeginStep,
    CallChild,
    ReportProgress,
    RunStep,
    Sleep,
    WaitForSignal,
)

if TYPE_CHECKING:
    from durable_http.commands import Command


def details(command: Command) -> tuple[str, Any]:
    """Return what a command asks for besides its kind and name, and the word for it."""
    match command:
        case RunStep(arguments=arguments) | BeginStep(step=RunStep(arguments=arguments)):
            return "arguments", arguments
        case BeginChild(input=input) | CallChild(child=BeginChild(input=input)):
            return "input", input
        case Sleep(seconds=seconds) | WaitForSignal(timeout=seconds):
            return "seconds", seconds
        case ReportProgress(done=done, total=total):
            return "numbers", (done, total)
        case _:
            return "command", None


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal; objects without an `==` are compared by their fields."""
    return _same(one, other, set())


def _same(one: Any, other: Any, entered: set[tuple[int, int]]) -> bool:
    pair = id(one), id(other)
    if one is other or pair in entered:
        return True
    entered.add(pair)
    return type(one) is type(other) and _same_of_a_type(one, other, entered)


def _same_of_a_type(one: Any, other: Any, entered: set[tuple[int, int]]) -> bool:
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(
            _same(left, right, entered) for left, right in zip(one, other, strict=True)
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k], entered) for k in one)
    if isinstance(one, FunctionType):
        return bool(one.__code__ == other.__code__)
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    if not any("__eq__" in vars(each) for each in type(one).__mro__[:-1]):
        # These dictionaries are new, so their ids say nothing.
        return _same_of_a_type(_fields(one), _fields(other), entered)
    return _equal(one, other)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - arrays, for example, have no single answer
        return repr(one) == repr(other)


def _fields(value: Any) -> dict[str, Any]:
    slots = [
        name
        for each in type(value).__mro__
        for name in _names(getattr(each, "__slots__", ()))
        if hasattr(value, name)
    ]
    return {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def shown(value: Any) -> str:
    """Return a value for a message, shortened. Never raises, even if `__repr__` does."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a user's class may raise anything
        text = f"a {type(value).__name__}"
    return text if len(text) <= 300 else f"{text[:297]}..."

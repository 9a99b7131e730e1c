"""Checks what a durable function gives its context, before anything of it is stored.

A value that could be stored nowhere would otherwise be refused again by every worker in turn.
"""

from __future__ import annotations

import inspect
import math
import re
from datetime import timedelta
from numbers import Real
from typing import Any, Final

SIGNAL_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names of signals, which clients send."""

MOST_SECONDS: Final = 100 * 365 * 86400.0
"""Seconds: a time limit or a sleep that is longer is a mistake."""

MOST_NAME: Final = 200
"""Characters of a step's name."""

MOST_REPORTED: Final = 2**53
"""The largest number in a report of progress, which every reader of JSON gets unchanged."""


def checked_seconds(value: Any, what: str) -> float:
    """Return a time in seconds. Raises `TypeError` for no number, `ValueError` for no such time."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not _is_number(value):
        raise TypeError(f"{what} must be a number of seconds, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError(f"{what} must be 0 to {MOST_SECONDS:.0f} seconds, not {seconds:g}")
    return seconds


def checked_limit(value: object, what: str) -> float | None:
    """Return a time limit in seconds, None for none. Raises as `checked_seconds` does."""
    return None if value is None else checked_seconds(value, what)


def checked_name(name: object) -> str:
    """Return the name of a step. Raises `TypeError` or `ValueError` for what cannot be one."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a step must be a string, not {type(name).__name__}")
    if not (1 <= len(name) <= MOST_NAME and name.isprintable()):
        raise ValueError(
            f"the name of a step has 1 to {MOST_NAME} printable characters, not {name[:250]!a}"
        )
    return name


def checked_step(function: object) -> None:
    """Raise `TypeError` unless a function can be a step's, which runs when it is called."""
    if not callable(function):
        raise TypeError(f"a step needs a function, not {type(function).__name__}")
    later = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    )
    if any(is_later(function) for is_later in later):
        name = getattr(function, "__name__", "it")
        raise TypeError(
            f"a step does its work when it is called, and {name} is async or a generator;"
            " call it in a plain function"
        )


def checked_signal(name: object) -> str:
    """Return the name of a signal. Raises `ValueError` for what cannot be one."""
    if not (isinstance(name, str) and SIGNAL_NAME.fullmatch(name)):
        raise ValueError(f"{name!r:.250} cannot name a signal; use {SIGNAL_NAME.pattern}")
    return name


def checked_change(name: object) -> str:
    """Return the name of a change. Raises `ValueError` for what cannot be one."""
    if not (isinstance(name, str) and 1 <= len(name) <= MOST_NAME and name.isprintable()):
        raise ValueError(f"the name of a change has 1 to {MOST_NAME} printable characters")
    return name


def checked_report(number: Any, what: str) -> int:
    """Return a number of a report. Raises `TypeError` or `ValueError` for what cannot be one."""
    if not _is_number(number):
        raise TypeError(f"{what} must be a number, not {type(number).__name__}")
    if not abs(number) <= MOST_REPORTED:
        raise ValueError(f"{what} must be at most {MOST_REPORTED}, not {number!r:.50}")
    return int(number)


def _is_number(value: object) -> bool:
    return isinstance(value, Real)

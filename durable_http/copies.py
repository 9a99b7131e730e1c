"""Copies of a step's arguments, so that each attempt gets the same whatever an earlier one did."""

from __future__ import annotations

import copy
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

UNCHANGEABLE: Final = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    date,
    time,
    timedelta,
    Decimal,
    UUID,
)


def copied(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the arguments as they are now. Raises `TypeError` for what cannot be copied."""
    return tuple(_copied(argument) for argument in arguments)


def _copied(argument: Any) -> Any:
    if isinstance(argument, UNCHANGEABLE):
        return argument
    try:
        return copy.deepcopy(argument)
    except Exception as error:
        what = type(argument).__name__
        raise TypeError(
            f"a step's arguments are copied, and {what} cannot be: {error}; let the step make it"
        ) from error

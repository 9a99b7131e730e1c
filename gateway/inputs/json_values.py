"""Parses JSON, and makes text of it that is equal for equal values.

A value may have half a million lists in 1 MiB. So it is visited level by level, with few steps of
Python for each value and none that holds the interpreter for long.
"""

from __future__ import annotations

import math
from itertools import chain
from typing import Any, Final

import jiter
import orjson

from gateway.errors import InvalidRequest

MAX_DEPTH: Final = 64

EXACT_INTEGERS: Final = 2**53
"""Floats beyond this are not exact, so none of them is taken for an integer."""


def parsed(raw: bytes) -> Any:
    """Return the value of a JSON text. Raises `InvalidRequest`."""
    try:
        return jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON: {error}.") from error


def json_text(value: Any) -> str:
    """Return a value as JSON text. Raises `InvalidRequest` if it cannot be stored exactly."""
    return _dumped(value, 0)


def canonical_json(value: Any) -> str:
    """Return JSON text that is equal for equal values: no blanks, sorted keys, 1.0 as 1.

    The value may be changed, and is of no more use. Raises `InvalidRequest` for a value that cannot
    be stored exactly or is nested too deep.
    """
    top = [value]
    lists: list[list[Any]] = [top]
    objects: list[dict[str, Any]] = []
    for _ in range(MAX_DEPTH + 1):
        items = [*chain.from_iterable(lists), *chain.from_iterable(map(dict.values, objects))]
        kinds = set(map(type, items))
        if float in kinds and _has_whole([item for item in items if type(item) is float]):
            _make_integers(lists, objects)
        lists = [item for item in items if type(item) is list] if list in kinds else []
        objects = [item for item in items if type(item) is dict] if dict in kinds else []
        if not lists and not objects:
            return _dumped(top[0], orjson.OPT_SORT_KEYS)
    raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _has_whole(floats: list[float]) -> bool:
    """Return whether one of the numbers is whole. Raises `InvalidRequest` for an infinite one."""
    if not all(map(math.isfinite, floats)):
        raise InvalidRequest("The body has a number that is too large.")
    return any(map(float.is_integer, floats))


def _make_integers(lists: list[list[Any]], objects: list[dict[str, Any]]) -> None:
    """Replace the whole floats that stand directly in these."""
    for items in lists:
        items[:] = map(_exact, items)
    for members in objects:
        members.update(zip(members, map(_exact, members.values()), strict=True))


def _exact(item: Any) -> Any:
    if type(item) is float and item.is_integer() and abs(item) < EXACT_INTEGERS:
        return int(item)
    return item


def _dumped(value: Any, option: int) -> str:
    try:
        return orjson.dumps(value, option=option).decode()
    except TypeError as error:
        raise InvalidRequest(f"The body cannot be stored exactly: {error}.") from error

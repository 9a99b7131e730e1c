"""Values as JSON text: the results of steps and functions, and the inputs of children.

Only what JSON can say is stored, within `MAX_RESULT_BYTES`. orjson writes NaN and infinities as
null, so these are looked for in the value wherever the text has a null.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import TYPE_CHECKING, Any, Final

import orjson

from durable_http.errors import NotJson, ResultTooLarge
from durable_http.types import to_json_default

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST: Final = 255
"""Levels of nesting; orjson refuses to encode more."""

RESULT: Final = "the result"


def json_of(value: Any, limit: int, what: str = RESULT) -> str:
    """Return a value as JSON text. Raises `ResultTooLarge` beyond `limit` bytes, or `NotJson`.

    `what` names the value in the error.
    """
    least = _bytes_at_least(value, limit)
    if least > limit:  # the text of a very large value would take its memory once more
        raise _too_large(what, f"at least {least}", limit)
    try:
        encoded = orjson.dumps(value, default=to_json_default)
    except TypeError as error:
        raise NotJson(f"{what} cannot be stored: {error}") from error
    if len(encoded) > limit:
        raise _too_large(what, str(len(encoded)), limit)
    if b"null" in encoded:
        found = _not_finite(value)
        if found is not None:
            path, number = found
            raise NotJson(f"{what} cannot be stored: {number} at {path} is not JSON")
    return encoded.decode()


def _too_large(what: str, size: str, limit: int) -> ResultTooLarge:
    return ResultTooLarge(f"{what} has {size} bytes of JSON; MAX_RESULT_BYTES allows {limit}")


def _bytes_at_least(value: Any, limit: int) -> int:
    """Return a number of bytes that the value's JSON is not below; counting ends at the limit.

    An item counts with its comma where its list is met; the rest of a string is counted for itself.
    """
    size, level = 1, [value]
    for _ in range(DEEPEST):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                size += len(item) + 1
            elif isinstance(item, (list, tuple)):
                size += 2 * len(item)
                deeper.extend(item if size <= limit else ())
            elif isinstance(item, dict):
                size += 4 * len(item)
                deeper.extend((*item, *item.values()) if size <= limit else ())
            if size > limit:
                return size
        if not deeper:
            break
        level = deeper
    return size


def _not_finite(value: Any) -> tuple[str, float] | None:
    """Return the path of the first NaN or infinity and the number itself, or None.

    Takes values that orjson has encoded, so they have neither circles nor too many levels.
    """
    keys: list[Any] = []
    entered: list[Iterator[tuple[Any, Any]]] = [iter([(None, value)])]
    while entered:
        for key, item in entered[-1]:
            if isinstance(item, float) and not math.isfinite(item):
                return "$" + "".join(map(_shown_key, [*keys, key])), float(item)
            items = _items(item)
            if items is not None:
                keys.append(key)
                entered.append(items)
                break
        else:
            entered.pop()
            if keys:
                keys.pop()
    return None


def _items(value: Any) -> Iterator[tuple[Any, Any]] | None:
    """Return the items of what orjson writes as an object or a list, or None."""
    if isinstance(value, enum.Enum):
        return iter([(None, value.value)])
    if isinstance(value, dict):
        return iter(value.items())
    if isinstance(value, (list, tuple)):
        return iter(enumerate(value))
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        return iter([(name, getattr(value, name, None)) for name in names])
    return None if value is None or isinstance(value, (str, int, float)) else _items_of_other(value)


def _items_of_other(value: Any) -> Iterator[tuple[Any, Any]] | None:
    try:
        return _items(to_json_default(value))
    except TypeError:  # a date, or another value that orjson writes as a string
        return None


def _shown_key(key: Any) -> str:
    if key is None:
        return ""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if key.isidentifier() else f"[{orjson.dumps(key).decode()}]"

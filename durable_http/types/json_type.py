"""`JsonType`: the schema of an annotation, and the conversion of JSON to it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson

from durable_http.types.errors import InvalidValue, UnusableAnnotation
from durable_http.types.faults import invalid_value
from durable_http.types.models import validated
from durable_http.types.schemas import schema_of

CACHED: Final = 1024
"""Annotations; a program has few."""


RECURSIVE: Final = "a type alias contains itself; use a Struct or a dataclass, or Any"


class JsonType:
    """What JSON must be for an annotation, and what becomes of it."""

    def __init__(self, annotation: Any) -> None:
        """Raises `UnusableAnnotation` for what has no JSON form."""
        try:
            hash(annotation)
        except TypeError:
            self._schema, self._decoder = _compiled(annotation)
        else:
            self._schema, self._decoder = _cached(annotation)

    @property
    def schema(self) -> dict[str, Any]:
        """A JSON Schema (2020-12) that needs no other, `{}` for `Any`; not to be changed."""
        return self._schema

    def convert(self, value: Any) -> Any:
        """Return a JSON value as the annotation says, new each time. Raises `InvalidValue`."""
        try:
            text = orjson.dumps(value)
        except TypeError as error:
            raise InvalidValue("", f"the value is not JSON: {error}") from error
        try:
            return self._decoder.decode(text)
        except (Exception, SystemExit):  # noqa: BLE001 - a model or `__post_init__` may raise anything
            return self._with_integers(value)

    def _with_integers(self, value: Any) -> Any:
        """Convert a value with its whole floats as integers: to JSON, 1.0 is 1."""
        try:
            return self._decoder.decode(msgspec.json.encode(_integral(value)))
        except msgspec.ValidationError as error:
            raise invalid_value(error, value) from error
        except (Exception, SystemExit) as error:
            raise InvalidValue("", f"{type(error).__name__}: {error}", by_code=True) from error


type _Compiled = tuple[dict[str, Any], msgspec.json.Decoder[Any]]


def _compiled(annotation: Any) -> _Compiled:
    try:
        return schema_of(annotation), msgspec.json.Decoder(annotation, dec_hook=_custom)
    except Exception as error:  # annotations of the user's classes may raise anything
        shown = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
        reason = RECURSIVE if isinstance(error, RecursionError) else error
        raise UnusableAnnotation(f"{shown} cannot be used for JSON: {reason}") from error


_cached = lru_cache(CACHED)(_compiled)


def _custom(type: Any, value: Any) -> Any:
    return value if type is object else validated(type, value)


def _integral(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_integral(item) for item in value]
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return value

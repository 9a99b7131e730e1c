"""JSON Schemas of the types that contain no other."""

from __future__ import annotations

from typing import Any

from msgspec import inspect as info

from durable_http.types import strings
from durable_http.types.refusals import check_factor, check_pattern

type Schema = dict[str, Any]


def scalar_schema(tree: info.Type) -> Schema | None:  # noqa: C901, PLR0911 - one case each
    """Return the schema of a type that contains no other, or None for another one.

    Raises `UnusableAnnotation`.
    """
    match tree:
        case info.AnyType():
            return {}
        case info.NoneType():
            return {"type": "null"}
        case info.BoolType():
            return {"type": "boolean"}
        case info.IntType() | info.FloatType():
            return _number(tree)
        case info.StrType():
            return _string(tree)
        case info.DecimalType():
            return {"anyOf": [{"type": "number"}, _text(strings.DECIMAL, "decimal")]}
        case info.DateTimeType(tz=tz):
            return _text(strings.date_time(tz=tz), None if tz is False else "date-time")
        case info.TimeType(tz=tz):
            return _text(strings.time(tz=tz), None if tz is False else "time")
        case info.DateType():
            return _text(strings.DATE, "date")
        case info.UUIDType():
            return _text(strings.UUID, "uuid")
        case info.LiteralType(values=values):
            return {"enum": list(values)}
        case _:
            return None


def given(**keywords: Any) -> Schema:
    """Return the keywords that are not None."""
    return {keyword: value for keyword, value in keywords.items() if value is not None}


def _text(pattern: str, format: str | None) -> Schema:
    return {"type": "string"} | given(format=format) | {"pattern": pattern}


def _number(tree: info.IntType | info.FloatType) -> Schema:
    check_factor(tree.multiple_of)
    return {"type": "integer" if isinstance(tree, info.IntType) else "number"} | given(
        minimum=tree.ge,
        exclusiveMinimum=tree.gt,
        maximum=tree.le,
        exclusiveMaximum=tree.lt,
        multipleOf=tree.multiple_of,
    )


def _string(tree: info.StrType) -> Schema:
    check_pattern(tree.pattern)
    return {"type": "string"} | given(
        minLength=tree.min_length, maxLength=tree.max_length, pattern=tree.pattern
    )

"""Finds in an annotation what would be stored or checked otherwise than its author thinks.

The checks raise `UnusableAnnotation`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Final, TypeAliasType, get_args, get_origin, get_type_hints

from msgspec import inspect as info

from durable_http.types.errors import UnusableAnnotation

PYTHON_ONLY: Final = re.compile(r"(?<!\\)(?:\\\\)*(?:\\[AZ]|\(\?(?:P[<=]|#|\())")
"""What Python has and the regular expressions of JSON Schema lack."""

REASONS: Final[dict[type, str]] = {
    info.SetType: "a set has another order in each process; use list",
    info.FrozenSetType: "a set has another order in each process; use tuple",
    info.BytesType: "JSON has no bytes; use str, for example with Base64",
    info.ByteArrayType: "JSON has no bytes; use str, for example with Base64",
    info.MemoryViewType: "JSON has no bytes; use str, for example with Base64",
    info.TimeDeltaType: "JSON has no timedelta; use a number of seconds",
    info.RawType: "a msgspec.Raw is no value; use Any",
}

type Record = info.StructType | info.DataclassType | info.TypedDictType | info.NamedTupleType

OTHER_LIMITS: Final = frozenset({"annotated_types", "pydantic"})
"""Packages whose limits are for the fields of Pydantic models."""


def refusal_of(tree: info.Type) -> UnusableAnnotation:
    """Return why a type that msgspec knows cannot be used."""
    return UnusableAnnotation(REASONS.get(type(tree), f"{type(tree).__name__} has no JSON form"))


def check_limits(annotation: Any) -> None:
    """Check that msgspec knows the limits in an annotation, since it ignores all others."""
    if isinstance(annotation, TypeAliasType):
        check_limits(annotation.__value__)
    if get_origin(annotation) is Annotated:
        for limit in annotation.__metadata__:
            if type(limit).__module__.partition(".")[0] in OTHER_LIMITS:
                raise UnusableAnnotation(
                    f"{limit!r} has no effect outside of Pydantic models; use msgspec.Meta"
                )
    for part in get_args(annotation):
        check_limits(part)


def check_record(tree: Record) -> None:
    """Check that instances of a class are written as they are read."""
    cls = getattr(tree.cls, "__origin__", tree.cls)
    for annotation in get_type_hints(cls, include_extras=True).values():
        check_limits(annotation)
    if not isinstance(tree, info.DataclassType):
        return
    if hasattr(cls, "__pydantic_validator__"):
        raise UnusableAnnotation(f"{cls.__name__} is a Pydantic dataclass; use a BaseModel")
    hidden = [field.name for field in tree.fields if field.name.startswith("_")]
    if hidden:
        raise UnusableAnnotation(
            f"{cls.__name__}.{hidden[0]} would not be stored; use a name without _"
        )


def check_factor(factor: float | None) -> None:
    """Check that multiples of this number are found exactly."""
    if factor is not None and Fraction(str(factor)) != Fraction(factor):
        raise UnusableAnnotation(
            f"multiple_of={factor} is not exact: to floats, 0.3 is no multiple of 0.1; count in"
            " smaller units, or use Decimal"
        )


def check_pattern(pattern: str | None) -> None:
    """Check that a regular expression can stand in a JSON Schema."""
    if pattern is not None and PYTHON_ONLY.search(pattern):
        raise UnusableAnnotation(
            f"the pattern {pattern} has what JSON Schema lacks; use ^ and $ for the ends, and"
            " groups without names"
        )

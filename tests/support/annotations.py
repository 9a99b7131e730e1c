"""Strategies of hypothesis: annotations of all kinds, each with values of which many suit it."""

from __future__ import annotations

import enum
from dataclasses import make_dataclass
from datetime import date, datetime, time
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    NotRequired,
    TypedDict,
)
from uuid import UUID

from hypothesis import strategies as st
from msgspec import Meta, defstruct

if TYPE_CHECKING:
    from collections.abc import Callable

type Values = st.SearchStrategy[Any]

type Typed = tuple[Any, Values]
"""An annotation and its values."""


class Color(enum.Enum):
    """Names of colors."""

    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    """Numbers of levels."""

    LOW = 1
    HIGH = 2


INTEGERS: Final = st.integers(-(2**63), 2**64 - 1)
FLOATS: Final = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS: Final = INTEGERS | FLOATS | INTEGERS.map(float) | st.sampled_from([0, 1.0, 2, -0.0, 2.5])

EXACT: Final = NUMBERS.filter(lambda number: abs(number) < 2**53)
"""Numbers whose multiples are found exactly; the validator looks at the text of a larger float."""

NEAR: Final = [
    "2024-02-29",
    "2023-02-29",
    "1900-02-29",
    "0000-01-01",
    "2024-04-31",
    "2024-1-1",
    "20240101",
    "2024-01-01T00:00:00",
    "2024-01-01t00:00:00z",
    "2024-01-01 00:00:00.123456789+05:30",
    "2024-01-01T00:00:00-0800",
    "2024-01-01T00:00:00+24:00",
    "2024-01-01T00:00:00+01",
    "2024-12-31T23:59:60Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:00Z",
    "2024-01-01T00:00:00.Z",
    "2024-01-01T00:00:00Z\n",
    "12:30:00",
    "12:30:00Z",
    "12:30",
    "12345678-1234-5678-1234-567812345678",
    "12345678123456781234567812345678",
    "{12345678-1234-5678-1234-567812345678}",
    "red",
    "a",
    "",
]
"""Texts that are a date, a time or the like, or almost."""

TEXTS: Final = st.sampled_from(NEAR) | st.text(max_size=5)

JSON: Final = st.recursive(
    st.none() | st.booleans() | EXACT | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)

PLAIN: Final[list[Typed]] = [
    (Any, JSON),
    (object, JSON),
    (None, st.none()),
    (bool, st.booleans()),
    (int, NUMBERS),
    (float, NUMBERS),
    (str, TEXTS),
    (Annotated[int, Meta(ge=-3, lt=10)], NUMBERS),
    (Annotated[int, Meta(multiple_of=3)], EXACT),
    (Annotated[float, Meta(gt=0, le=2.5, multiple_of=0.5)], NUMBERS),
    (Annotated[str, Meta(min_length=1, max_length=2)], TEXTS),
    (Annotated[str, Meta(pattern="^[a-z]+$")], TEXTS),
    (date, TEXTS),
    (time, TEXTS),
    (datetime, TEXTS),
    (Annotated[datetime, Meta(tz=True)], TEXTS),
    (Annotated[datetime, Meta(tz=False)], TEXTS),
    (Annotated[time, Meta(tz=True)], TEXTS),
    (Annotated[time, Meta(tz=False)], TEXTS),
    (UUID, TEXTS),
    (Literal["a", "red", 1] | None, TEXTS | NUMBERS | st.none()),
    (Literal[1, 2], NUMBERS),
    (Color, TEXTS),
    (Level, NUMBERS),
    (int | float, NUMBERS),
    (int | str | None, NUMBERS | TEXTS),
    (bool | date | list[int], TEXTS | st.lists(NUMBERS, max_size=2) | st.booleans()),
]


# Type checkers allow no variables in types, but for such as these.
LIST: Any = list
TUPLE: Any = tuple
DICT: Any = dict
ANNOTATED: Any = Annotated


def _collections(item: Any) -> list[Any]:
    return [
        LIST[item],
        ANNOTATED[LIST[item], Meta(min_length=1, max_length=2)],
        TUPLE[item, ...],
        TUPLE[item, item],
    ]


def _mappings(item: Any) -> list[Any]:
    return [
        DICT[str, item],
        DICT[Annotated[str, Meta(max_length=1)], item],
        DICT[Literal["a"], item],
        ANNOTATED[DICT[str, item], Meta(min_length=1)],
    ]


type Fields = dict[str, tuple[Any, bool]]
"""Types of fields by name, and whether each has a default."""


def _with_defaults(fields: Fields) -> list[Any]:
    return [
        (name, type, None) if is_optional else (name, type)
        for name, (type, is_optional) in fields.items()
    ]


def _typed_dict(fields: Fields) -> Any:
    marked: Any = {
        name: NotRequired[type] if is_optional else type
        for name, (type, is_optional) in fields.items()
    }
    return TypedDict("Record", marked)  # type: ignore[operator]


def _named_tuple(fields: Fields) -> Any:
    types: Any = [(name, type) for name, (type, _) in fields.items()]
    return NamedTuple("Record", types)


def _struct(**options: Any) -> Callable[[Fields], Any]:
    return lambda fields: defstruct("Record", _with_defaults(fields), **options)


OBJECTS: Final[list[Callable[[Fields], Any]]] = [
    lambda fields: make_dataclass("Record", _with_defaults(fields)),
    _typed_dict,
    _struct(),
    _struct(forbid_unknown_fields=True),
    _struct(tag="T"),
    _struct(rename={"a": "z"}),
]

ARRAYS: Final[list[Callable[[Fields], Any]]] = [
    _named_tuple,
    _struct(array_like=True),
    _struct(array_like=True, forbid_unknown_fields=True),
    _struct(array_like=True, tag="T"),
]


@st.composite
def _of_items(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    item, values = draw(inner)
    if draw(st.booleans()):
        return draw(st.sampled_from(_collections(item))), st.lists(values, max_size=3)
    return draw(st.sampled_from(_mappings(item))), st.dictionaries(TEXTS, values, max_size=3)


@st.composite
def _of_fields(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    drawn = dict(zip("abc", draw(st.lists(inner, max_size=3)), strict=False))
    required = draw(st.integers(0, 3))
    fields = {name: (drawn[name][0], n >= required) for n, name in enumerate(drawn)}
    values = {name: values for name, (_, values) in drawn.items()}
    if draw(st.booleans()):
        other = {"type": st.sampled_from(["T", "U"]), "z": values.get("a", JSON)}
        most = st.fixed_dictionaries(values, optional=other)
        some = st.fixed_dictionaries({}, optional=values | other)
        return draw(st.sampled_from(OBJECTS))(fields), most | some
    full = st.tuples(*values.values()).map(list)
    any = st.lists(st.one_of(*values.values()) if values else JSON, max_size=4)
    tagged = full.map(lambda items: ["T", *items])
    return draw(st.sampled_from(ARRAYS))(fields), full | any | tagged


@st.composite
def _optional(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    annotation, values = draw(inner)
    return (annotation if annotation is None else annotation | None), values | st.none()


TYPED: Final = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: _of_items(inner) | _of_fields(inner) | _optional(inner),
    max_leaves=5,
)
"""Annotations with their values. Types that convert more than they let through are not among them,
but for a Struct with a tag, which is converted without its tag if no other is possible."""

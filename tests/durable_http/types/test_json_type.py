"""Each kind of annotation: what its schema takes, what JSON becomes, and back."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypedDict,
)
from uuid import UUID

import jsonschema_rs
import msgspec
import orjson
import pytest
from msgspec import Meta

from durable_http.types import InvalidValue, JsonType, to_json_default
from tests.support.typed import Even, Item


class Color(enum.Enum):
    """Texts with names."""

    RED = "red"


class Level(enum.IntEnum):
    """Numbers with names."""

    LOW = 1


class Closed(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """A Struct that takes no unknown fields, with other names in JSON."""

    unit_price: Decimal


class Card(msgspec.Struct, tag=True):
    """One of two ways to pay."""

    number: str


class Cash(msgspec.Struct, tag=True):
    """The other way to pay."""

    currency: str


class Tree(msgspec.Struct):
    """A Struct that contains itself."""

    name: str
    children: list["Tree"] = []
    parent: "Tree | None" = None


class Page[T](msgspec.Struct):
    """A generic Struct."""

    items: list[T]


class Pair(msgspec.Struct, array_like=True):
    """A Struct that is an array in JSON."""

    a: int
    b: str = "b"


@dataclass
class Point:
    """A dataclass with defaults."""

    x: float
    y: float = 0.0
    notes: list[str] = field(default_factory=list)


class Options(TypedDict, total=False):
    """Keys that may be missing, but for one."""

    name: Required[str]
    pace: float


class Account(TypedDict):
    """Keys that must be there, but for one."""

    id: int
    note: NotRequired[str]


class Place(NamedTuple):
    """A named tuple."""

    street: str
    number: int = 1


OrderId = NewType("OrderId", str)
type Money = Annotated[int, Meta(ge=0)]
NOON = datetime(2024, 2, 29, 12, 0, tzinfo=UTC)
ID = UUID("12345678-1234-5678-1234-567812345678")

TAKEN: list[tuple[Any, Any, Any]] = [
    (Any, {"a": [1, None]}, {"a": [1, None]}),
    (object, [1], [1]),
    (None, None, None),
    (bool, True, True),
    (int, 3, 3),
    (int, 3.0, 3),
    (int, 1e300, int(1e300)),
    (float, 3, 3.0),
    (float, 2**64 - 1, float(2**64 - 1)),
    (str, "é", "é"),
    (Decimal, "1.50", Decimal("1.50")),
    (Decimal, 1.1, Decimal("1.1")),
    (Decimal, 2, Decimal(2)),
    (datetime, "2024-02-29T12:00:00Z", NOON),
    (datetime, "2024-02-29T12:00:00", NOON.replace(tzinfo=None)),
    (date, "2024-02-29", date(2024, 2, 29)),
    (time, "12:30:00.5", time(12, 30, 0, 500000)),
    (UUID, str(ID), ID),
    (list[int], [1, 2.0], [1, 2]),
    (Sequence[int], [1], [1]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
    (dict[str, date], {"a": "2024-01-01"}, {"a": date(2024, 1, 1)}),
    (dict[Literal["a", "b"], int], {"a": 1}, {"a": 1}),
    (Mapping[str, int], {"a": 1}, {"a": 1}),
    (int | None, None, None),
    (int | str, "a", "a"),
    (Literal["a", 2], 2.0, 2),
    (Color, "red", Color.RED),
    (Level, 1.0, Level.LOW),
    (Item, {"sku": "a", "other": 1}, Item("a")),
    (Closed, {"unitPrice": 5}, Closed(Decimal(5))),
    (Card | Cash, {"type": "Cash", "currency": "EUR"}, Cash("EUR")),
    (Tree, {"name": "a", "children": [{"name": "b"}]}, Tree("a", [Tree("b")])),
    (Page[Item], {"items": [{"sku": "a", "count": 2.0}]}, Page([Item("a", 2)])),
    (Pair, [1], Pair(1)),
    (Point, {"x": 1}, Point(1.0)),
    (Even, {"number": 2}, Even(2)),
    (Options, {"name": "a", "other": 1}, {"name": "a"}),
    (Account, {"id": 1, "note": "n"}, {"id": 1, "note": "n"}),
    (Place, ["Main"], Place("Main")),
    (OrderId, "a", "a"),
    (Money, 0, 0),
    (Annotated[str, Meta(pattern="^a+$", max_length=3)], "aa", "aa"),
]

REFUSED: list[tuple[Any, Any, str, str]] = [
    (None, 1, "", "Expected `null`, got `int`"),
    (int, True, "", "Expected `int`, got `bool`"),
    (int, 1.5, "", "Expected `int`, got `float`"),
    (int, "1", "", "Expected `int`, got `str`"),
    (str, 1, "", "Expected `str`, got `int`"),
    (date, "2023-02-29", "", "Invalid RFC3339 encoded date"),
    (datetime, "2023-02-28", "", "Invalid RFC3339 encoded datetime"),
    (Annotated[datetime, Meta(tz=True)], "2024-01-01T00:00:00", "", "timezone"),
    (time, "24:00:00", "", "Invalid RFC3339 encoded time"),
    (UUID, "x", "", "Invalid UUID"),
    (Decimal, "x", "", "Invalid decimal string"),
    (list[int], [1, "a"], "/1", "Expected `int`, got `str`"),
    (tuple[int, str], [1], "", "Expected `array` of length 2"),
    (dict[str, int], {"a": 1, "b": "c"}, "", "Expected `int`, got `str`, in one of its values"),
    (dict[Literal["a"], int], {"b": 1}, "", "Invalid enum value 'b', in one of its keys"),
    (dict[str, list[Item]], {"a": [{}]}, "", "`sku`, in one of its values"),
    (Literal["a"], "b", "", "Invalid enum value 'b'"),
    (Color, "blue", "", "Invalid enum value 'blue'"),
    (Level, 2, "", "Invalid enum value 2"),
    (Item, {"count": 1}, "", "Object missing required field `sku`"),
    (Closed, {"unitPrice": 1, "other": 1}, "", "unknown field `other`"),
    (Card | Cash, {"type": "Coin"}, "/type", "Invalid value 'Coin'"),
    (Tree, {"name": "a", "children": [{"name": 1}]}, "/children/0/name", "Expected `str`"),
    (Page[Item], {"items": [{"sku": "a", "count": 1.0, "tags": [3]}]}, "/items/0/tags/0", "`str`"),
    (Options, {"pace": 1}, "", "missing required field `name`"),
    (Place, [], "", "Expected `array` of length 1 to 2"),
    (Money, -1, "", "Expected `int` >= 0"),
    (Annotated[str, Meta(pattern="^a+$")], "b", "", "matching regex"),
]


@pytest.mark.parametrize(("annotation", "value", "converted"), TAKEN, ids=str)
def test_a_value_is_let_through_and_converted(annotation: Any, value: Any, converted: Any) -> None:
    """The schema allows the value, and it becomes what the annotation says."""
    type_of = JsonType(annotation)
    assert jsonschema_rs.Draft202012Validator(type_of.schema).is_valid(value)
    found = type_of.convert(value)
    assert found == converted
    assert type(found) is type(converted)


@pytest.mark.parametrize(("annotation", "value", "pointer", "message"), REFUSED, ids=str)
def test_a_value_is_refused_with_its_place(
    annotation: Any, value: Any, pointer: str, message: str
) -> None:
    """Schema and conversion refuse the value; the message says where it is wrong."""
    type_of = JsonType(annotation)
    assert not jsonschema_rs.Draft202012Validator(type_of.schema).is_valid(value)
    with pytest.raises(InvalidValue) as caught:
        type_of.convert(value)
    assert caught.value.pointer == pointer
    assert message in caught.value.message
    assert str(caught.value) == caught.value.message + (f" at {pointer}" if pointer else "")


@pytest.mark.parametrize(
    ("annotation", "converted"),
    [
        (annotation, converted)
        for annotation, value, converted in TAKEN
        if value not in (3.0, 1e300)
    ],
)
def test_a_stored_value_is_read_as_it_was(annotation: Any, converted: Any) -> None:
    """A value is the same after it was written as JSON and read again."""
    text = orjson.dumps(converted, default=to_json_default)
    stored = orjson.loads(text)
    type_of = JsonType(annotation)
    assert jsonschema_rs.Draft202012Validator(type_of.schema).is_valid(stored)
    assert type_of.convert(stored) == converted

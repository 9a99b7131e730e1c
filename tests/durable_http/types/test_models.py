"""Pydantic models as annotations, alone and inside other types."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import jsonschema_rs
import msgspec
import orjson
import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator

from durable_http.types import InvalidValue, JsonType, UnusableAnnotation, to_json_default


class Line(BaseModel):
    """A line of an order."""

    sku: str
    price: Decimal = Decimal(1)
    count: Annotated[int, Field(ge=1)] = 1

    @field_validator("sku")
    @classmethod
    def known(cls, sku: str) -> str:
        if sku == "unknown":
            raise ValueError("no such article")
        return sku


class Order(BaseModel):
    """A strict model that contains itself, with an alias."""

    model_config = ConfigDict(strict=True)

    due: date = Field(alias="dueDate")
    lines: list[Line] = []
    follow_up: "Order | None" = None


class Lines(RootModel[list[Line]]):
    """A model that is a list."""


class Box(msgspec.Struct):
    """A Struct of models."""

    order: Order
    lines: dict[str, Line] = {}


@dataclass
class Envelope:
    """A dataclass with a model."""

    order: Order | None = None


ORDER = {"dueDate": "2024-02-29", "lines": [{"sku": "a", "price": "2.5", "count": 2}]}
MADE = Order(dueDate=date(2024, 2, 29), lines=[Line(sku="a", price=Decimal("2.5"), count=2)])

TAKEN: list[tuple[Any, Any, Any]] = [
    (Order, ORDER, MADE),
    (Order | None, None, None),
    (Order | None, ORDER, MADE),
    (list[Order], [ORDER], [MADE]),
    (tuple[Order, int], [ORDER, 1.0], (MADE, 1)),
    (dict[str, Order], {"a": ORDER}, {"a": MADE}),
    (Lines, [{"sku": "a"}], Lines([Line(sku="a")])),
    (Box, {"order": ORDER, "lines": {"a": {"sku": "a"}}}, Box(MADE, {"a": Line(sku="a")})),
    (Envelope, {"order": ORDER}, Envelope(MADE)),
    (
        Order,
        {"dueDate": "2024-01-01", "follow_up": ORDER},
        Order(dueDate=date(2024, 1, 1), follow_up=MADE),
    ),
]


@pytest.mark.parametrize(("annotation", "value", "converted"), TAKEN)
def test_a_value_is_let_through_and_converted_and_back(
    annotation: Any, value: Any, converted: Any
) -> None:
    """A model may stand alone or in other types; its JSON is read as it was written."""
    type = JsonType(annotation)
    validator = jsonschema_rs.Draft202012Validator(type.schema)
    assert validator.is_valid(value)
    assert type.convert(value) == converted
    stored = orjson.loads(orjson.dumps(converted, default=to_json_default))
    assert validator.is_valid(stored)
    assert type.convert(stored) == converted


@pytest.mark.parametrize(
    ("annotation", "value", "pointer", "message"),
    [
        (Order, {}, "", "dueDate: Field required"),
        (Order, 1, "", "Input should be an object"),
        (list[Order], [ORDER, {**ORDER, "lines": [{"sku": 1}]}], "/1/lines/0/sku", "valid string"),
        (Box, {"order": {**ORDER, "dueDate": 3}}, "/order/dueDate", "valid date"),
        (Box, {"order": ORDER, "lines": {"a": {}}}, "/lines", "sku: Field required, in one of its"),
        (Line, {"sku": "a", "count": 0}, "/count", "greater than or equal to 1"),
    ],
)
def test_a_value_is_refused_with_its_place(
    annotation: Any, value: Any, pointer: str, message: str
) -> None:
    """The pointer leads into the model."""
    type = JsonType(annotation)
    assert not jsonschema_rs.Draft202012Validator(type.schema).is_valid(value)
    with pytest.raises(InvalidValue) as caught:
        type.convert(value)
    assert caught.value.pointer == pointer
    assert message in caught.value.message


def test_what_a_validator_refuses_is_found_by_the_conversion() -> None:
    """A schema cannot say what a validator checks."""
    type = JsonType(list[Line])
    assert jsonschema_rs.Draft202012Validator(type.schema).is_valid([{"sku": "unknown"}])
    with pytest.raises(InvalidValue, match="no such article at /0/sku"):
        type.convert([{"sku": "unknown"}])


def test_a_model_and_a_struct_of_one_name_have_a_definition_each() -> None:
    """Neither takes the place of the other."""
    struct = msgspec.defstruct("Line", [("number", int)])
    generic: Any = tuple
    schema = JsonType(generic[struct, Line]).schema
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid([{"number": 1}, {"sku": "a"}])
    assert not validator.is_valid([{"sku": "a"}, {"number": 1}])
    assert schema["$defs"].keys() == {"Line", "pydantic.Line"}


def test_a_model_is_new_each_time() -> None:
    """To change a model changes no other."""
    first, second = (JsonType(Order).convert(ORDER) for _ in range(2))
    first.lines.clear()
    assert second == MADE


@pydantic.dataclasses.dataclass
class Checked:
    """A Pydantic dataclass."""

    number: int


class Undefined(BaseModel):
    """A model with a field of an unknown type."""

    other: "Missing"  # type: ignore[name-defined]  # noqa: F821


type Positive = Annotated[int, Field(gt=0)]


class Limited(msgspec.Struct):
    """A Struct with a limit that msgspec does not know."""

    number: list[Positive]


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (Order | Line, "more than one custom type"),
        (Order | int, "custom type"),
        (Checked, "Checked is a Pydantic dataclass; use a BaseModel"),
        (Undefined, "not fully defined"),
        (Positive, "has no effect outside of Pydantic models; use msgspec.Meta"),
        (Limited, "use msgspec.Meta"),
    ],
)
def test_what_is_not_supported_is_refused(annotation: Any, reason: str) -> None:
    """The message says what to use."""
    with pytest.raises(UnusableAnnotation) as caught:
        JsonType(annotation)
    assert reason in str(caught.value)


def test_pydantic_is_not_imported_unless_the_user_does() -> None:
    """The package needs msgspec and orjson only."""
    program = """
import sys
from durable_http.types import JsonType, to_json_default
import msgspec

class Item(msgspec.Struct):
    name: str

JsonType(Item).convert({"name": "a"})
to_json_default(Item("a"))
print(sorted(sys.modules.keys() & {"pydantic", "resonate", "structlog", "jsonschema_rs"}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout == "[]\n"

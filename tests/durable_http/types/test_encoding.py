"""What orjson does not know becomes JSON."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import orjson
import pytest
from pydantic import BaseModel, Field, computed_field

from durable_http.types import to_json_default


class Line(BaseModel):
    """A model with an alias and a field that is computed."""

    unit_price: Decimal = Field(alias="unitPrice")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def label(self) -> str:
        return f"{self.unit_price} EUR"


class Box(msgspec.Struct, rename="camel"):
    """A Struct with other names in JSON, which has models."""

    made_on: date
    lines: list[Line]


@dataclass
class Envelope:
    """A dataclass, which orjson knows, with values that it does not."""

    box: Box
    amount: Decimal


class Place(NamedTuple):
    """A named tuple."""

    street: str
    price: Decimal


BOX = Box(date(2024, 2, 29), [Line(unitPrice=Decimal("1.50"))])
BOX_JSON = {"madeOn": "2024-02-29", "lines": [{"unitPrice": "1.50", "label": "1.50 EUR"}]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (BOX, BOX_JSON),
        (Envelope(BOX, Decimal("0.10")), {"box": BOX_JSON, "amount": "0.10"}),
        ({"a": [Place("Main", Decimal(1))]}, {"a": [["Main", "1"]]}),
    ],
)
def test_structs_models_and_decimals_are_encoded_inside_each_other(
    value: Any, expected: Any
) -> None:
    """The names are those that the types are read with."""
    assert orjson.loads(orjson.dumps(value, default=to_json_default)) == expected


@pytest.mark.parametrize("value", [{1}, b"a", object(), 1j])
def test_other_values_are_refused(value: Any) -> None:
    """The message names the type."""
    with pytest.raises(TypeError, match=type(value).__name__):
        to_json_default(value)

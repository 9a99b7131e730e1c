"""Where an input does not fit its schema: exactly for usual ones, cheaply for huge ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.inputs.json_values import parsed
from gateway.inputs.validation import EXCERPT_VALUES, MAX_FAULTS, Validation
from shared.catalog import Catalog, Function
from tests.support.timing import processor_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

MANY = 3 * EXCERPT_VALUES
NESTED = b"[" + b",".join([b"[" * 50 + b"]" * 50] * 5000) + b"]"


def refusal(schema: Mapping[str, Any], value: object) -> list[dict[str, str]] | None:
    """Return the faults of a value, None if it fits."""
    function = Function("odd", 1, "Does something.", input_schema=schema)
    error = Validation(Catalog.of(function, default="odd")).refusal(function, value)
    return None if error is None else [dict(fault) for fault in error.faults]


def pointers(schema: Mapping[str, Any], value: object) -> list[str]:
    """Return the places of the faults of a value."""
    return [fault["pointer"] for fault in refusal(schema, value) or []]


def test_each_fault_of_a_usual_input_is_named() -> None:
    """The faults of an input of ordinary size are all found, wherever they are."""
    row = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n", "m"]}
    rows = [{"n": 1, "m": 1} for _ in range(1000)]
    rows[7] = {"n": 1}
    rows[900]["n"] = 0.5  # type: ignore[assignment]

    assert pointers({"items": row}, rows) == ["/7", "/900/n"]
    assert refusal({"items": row}, [{"n": 1, "m": 1}] * MANY) is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"minItems": MANY + 1}, [0] * MANY),
        ({"required": ["last", "none"]}, {str(n): 0 for n in range(MANY)} | {"last": 0}),
        ({"contains": {"const": 2}}, [0] * MANY),
        ({"const": [0] * (MANY + 1)}, [0] * MANY),
    ],
)
def test_nothing_untrue_is_said_of_a_huge_input(schema: dict[str, Any], value: object) -> None:
    """A fault that only a part of the value shows may be none of the whole: it is not named."""
    function = Function("odd", 1, "Does something.", input_schema=schema)

    error = Validation(Catalog.of(function, default="odd")).refusal(function, value)

    assert error is not None
    assert error.faults == []
    assert error.detail == "odd does not take the input; it is too large to say where."


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        ({"type": "object"}, [0] * MANY, [""]),
        ({"maxItems": 3}, [0] * MANY, [""]),
        ({"additionalProperties": False}, {str(n): 0 for n in range(MANY)}, [""]),
        ({"items": {"type": "integer"}}, ["x", *[0] * MANY], ["/0"]),
        (
            {"properties": {"a": {"type": "string"}, "z": {"minimum": 9, "required": ["q"]}}},
            {"a": [[0]] * MANY, "z": 5},
            ["/a", "/z"],
        ),
        ({"properties": {"z": {"required": ["q"]}}}, {"a": [0] * MANY, "z": {"b": [1]}}, ["/z"]),
    ],
)
def test_faults_of_a_huge_input_are_named_where_they_are_sure(
    schema: dict[str, Any], value: object, found: list[str]
) -> None:
    """What the part of a huge input that is looked at shows is named with its place."""
    assert pointers(schema, value) == found


def test_there_are_twenty_faults_at_most() -> None:
    """An input that is wrong everywhere is not answered with a list of everything."""
    assert len(pointers({"items": {"type": "string"}}, [0] * MANY)) == MAX_FAULTS


def test_a_refusal_costs_no_more_than_to_parse() -> None:
    """Half a megabyte of lists in three wrong places takes no longer to refuse than to parse."""
    parse = processor_seconds(lambda: parsed(NESTED))
    value = {name: parsed(NESTED) for name in "abc"}
    schema = {"additionalProperties": {"type": "string"}}

    assert processor_seconds(lambda: refusal(schema, value)) < 2 * parse

"""What a schema lets through is what is converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from durable_http.types import InvalidValue, JsonType
from tests.support.annotations import JSON, NEAR, PLAIN, TYPED

if TYPE_CHECKING:
    from tests.support.annotations import Typed


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed=TYPED, data=st.data())
def test_a_schema_lets_through_what_is_converted(typed: Typed, data: st.DataObject) -> None:
    """Of any annotation, a value is let through if, and only if, it is converted."""
    annotation, values = typed
    type = JsonType(annotation)
    validator = jsonschema_rs.Draft202012Validator(type.schema)
    for _ in range(3):
        value = orjson.loads(orjson.dumps(data.draw(values | JSON)))
        is_let_through, converts = validator.is_valid(value), _is_converted(type, value)
        is_tagged = "const" in str(type.schema)
        assert is_let_through == converts or (is_tagged and converts), type.schema


@pytest.mark.parametrize("annotation", [annotation for annotation, _ in PLAIN], ids=str)
def test_values_that_almost_suit_are_let_through_if_they_are_converted(annotation: Any) -> None:
    """Of plain types, each text of a date or the like and each edge of numbers is tried."""
    type = JsonType(annotation)
    validator = jsonschema_rs.Draft202012Validator(type.schema)
    values: list[Any] = [
        *NEAR,
        None,
        True,
        0,
        1,
        1.0,
        2.5,
        -3,
        9,
        10,
        2**63,
        -(2**63),
        1e15,
        [],
        {},
    ]
    let_through = [value for value in values if validator.is_valid(value)]
    assert let_through == [value for value in values if _is_converted(type, value)]


def _is_converted(type: JsonType, value: Any) -> bool:
    try:
        type.convert(value)
    except InvalidValue:
        return False
    return True

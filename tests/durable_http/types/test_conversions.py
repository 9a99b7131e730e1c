"""What conversions do beside their values: new objects, places of faults, odd annotations."""

from typing import (
    Annotated,
    Any,
)

import msgspec
import orjson
import pytest

from durable_http.types import InvalidValue, JsonType
from tests.support.typed import Even, Item


def test_what_a_class_checks_itself_is_an_invalid_value() -> None:
    """Whatever `__post_init__` raises refuses the value."""
    with pytest.raises(InvalidValue, match="the number must be even at /1"):
        JsonType(list[Even]).convert([{"number": 2}, {"number": 1}])
    with pytest.raises(InvalidValue, match="KeyError: 'zero'"):
        JsonType(Even).convert({"number": 0})
    with pytest.raises(InvalidValue, match="SystemExit: negative") as caught:
        JsonType(Even).convert({"number": -2})
    assert caught.value.by_code


def test_names_of_fields_are_told_apart_and_escaped_in_a_pointer() -> None:
    """A dot in a name is no step of the pointer."""
    odd = msgspec.defstruct(
        "Odd",
        [("a", int, msgspec.field(name="a.b/~")), ("b", dict[str, int], msgspec.field(name="a"))],
    )
    value = {"a.b/~": "x", "a": {}}
    with pytest.raises(InvalidValue) as caught:
        JsonType(odd).convert(value)
    assert caught.value.pointer == "/a.b~1~0"


def test_what_is_not_json_is_an_invalid_value() -> None:
    """Only JSON is converted."""
    with pytest.raises(InvalidValue, match="the value is not JSON"):
        JsonType(list[int]).convert({1})


@pytest.mark.parametrize("annotation", [Any, list[Any], Item, dict[str, list[int]]])
def test_each_conversion_makes_a_new_object(annotation: Any) -> None:
    """To change a result changes neither the value nor another result."""
    value: Any = {"sku": "a", "tags": []} if annotation is Item else [[1]]
    value = {"a": [1]} if annotation == dict[str, list[int]] else value
    before = orjson.dumps(value)
    first, second = (JsonType(annotation).convert(value) for _ in range(2))
    assert first == second
    inner = first.tags if annotation is Item else first["a" if isinstance(first, dict) else 0]
    inner.append("changed")
    assert first != second
    assert orjson.dumps(value) == before
    assert JsonType(annotation).convert(value) == second


def test_a_default_that_can_be_changed_is_new_each_time() -> None:
    """To change a default changes no other result."""
    first = JsonType(Item).convert({"sku": "a"})
    first.tags.append("changed")
    assert JsonType(Item).convert({"sku": "a"}).tags == []


def test_an_annotation_that_cannot_be_hashed_is_usable() -> None:
    """Such an annotation is not cached."""

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

    assert JsonType(Annotated[int, Unhashable()]).convert(1) == 1

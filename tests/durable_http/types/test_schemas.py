"""What a schema tells of the classes in it."""

from dataclasses import dataclass
from typing import Annotated, Any

import jsonschema_rs
import msgspec
from msgspec import Meta

from durable_http.types import JsonType


class Item(msgspec.Struct):
    """What is sold."""

    sku: str
    count: int = 1
    tags: list[str] = []


def test_a_schema_tells_what_a_class_says_of_itself() -> None:
    """The docstring and the defaults are in the schema."""
    assert JsonType(Annotated[Item, Meta(description="Sold.")]).schema == {
        "$ref": "#/$defs/Item",
        "description": "Sold.",
        "$defs": {
            "Item": {
                "title": "Item",
                "description": "What is sold.",
                "type": "object",
                "properties": {
                    "sku": {"type": "string"},
                    "count": {"type": "integer", "default": 1},
                    "tags": {"type": "array", "items": {"type": "string"}, "default": []},
                },
                "required": ["sku"],
            }
        },
    }


def test_what_python_writes_as_a_docstring_is_not_in_the_schema() -> None:
    """The signature of a dataclass says nothing that the schema does not."""

    @dataclass
    class Silent:
        x: int

    assert Silent.__doc__ == "Silent(x: int)"
    assert JsonType(Silent).schema["$defs"]["Silent"].keys() == {
        "title",
        "type",
        "properties",
        "required",
    }


def test_classes_of_one_name_have_a_definition_each() -> None:
    """Neither takes the place of the other."""
    first = msgspec.defstruct("Same", [("a", int)])
    second = msgspec.defstruct("Same", [("b", str)])
    generic: Any = tuple
    type_of = JsonType(generic[first, second])
    validator = jsonschema_rs.Draft202012Validator(type_of.schema)
    assert validator.is_valid([{"a": 1}, {"b": "x"}])
    assert not validator.is_valid([{"b": "x"}, {"a": 1}])
    assert type_of.schema["$defs"].keys() == {"Same", "Same.2"}

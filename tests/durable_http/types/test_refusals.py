"""Annotations that JSON has no form for."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from durable_http.types import JsonType, UnusableAnnotation


class Color(enum.Enum):
    """Texts with names."""

    RED = "red"


class Item(msgspec.Struct):
    """A Struct without a tag."""

    sku: str


class Tree(msgspec.Struct):
    """Another Struct without a tag."""

    name: str


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (set[str], "a set has another order in each process; use list"),
        (frozenset[str], "use tuple"),
        (list[bytes], "JSON has no bytes; use str"),
        (timedelta, "use a number of seconds"),
        (msgspec.Raw, "use Any"),
        (dict[int, str], "use str for keys"),
        (dict[Literal["a", 1], str], "use str for keys"),
        (dict[Color, str], "use str for keys"),
        (complex, "complex has no JSON form; use a dataclass"),
        (list[Callable[[], int]], "Callable has no JSON form"),
        (str | date, "more than one str-like type"),
        (Item | Tree, "must be tagged"),
        (Annotated[float, Meta(multiple_of=0.1)], "multiple_of=0.1 is not exact"),
        (Annotated[str, Meta(pattern=r"^a\Z")], "has what JSON Schema lacks; use ^ and $"),
        (Annotated[str, Meta(pattern="(?P<name>a)")], "groups without names"),
        (list["Unknown"], "Unknown"),  # type: ignore[name-defined]  # noqa: F821
    ],
    ids=str,
)
def test_an_annotation_without_a_json_form_is_refused(annotation: Any, reason: str) -> None:
    """The message says what to use."""
    with pytest.raises(UnusableAnnotation) as caught:
        JsonType(annotation)
    assert reason in str(caught.value)
    assert "cannot be used for JSON" in str(caught.value)


def test_a_pattern_may_name_the_characters_that_python_alone_understands() -> None:
    r"""An escaped backslash before a Z is no `\Z`."""
    JsonType(Annotated[str, Meta(pattern=r"^\\Z$")])


type Nested = dict[str, Nested] | None


def test_an_alias_that_contains_itself_is_refused() -> None:
    """Msgspec does not know such aliases."""
    with pytest.raises(UnusableAnnotation, match="a type alias contains itself"):
        JsonType(Nested)


def test_a_dataclass_with_a_field_that_would_not_be_stored_is_refused() -> None:
    """Orjson leaves out fields whose names begin with an underscore."""

    @dataclass
    class Hidden:
        _secret: int = 1

    with pytest.raises(UnusableAnnotation, match=r"Hidden\._secret would not be stored"):
        JsonType(Hidden)


def test_a_name_that_a_class_needs_is_missing() -> None:
    """The message names the class and the name."""

    class Broken(msgspec.Struct):
        other: "Missing"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UnusableAnnotation, match=r"Broken cannot be used .*'Missing' is not def"):
        JsonType(Broken)

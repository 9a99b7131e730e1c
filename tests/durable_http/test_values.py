"""Values as JSON text: their size, and the numbers that JSON does not have."""

from __future__ import annotations

import enum
import math
import tracemalloc
from dataclasses import dataclass
from typing import Any

import pytest

from durable_http import NotJson, ResultTooLarge
from durable_http.values import json_of

LIMIT = 1024


@dataclass
class Row:
    """A row as a function may return it."""

    ratio: float
    name: str | None = None


class Level(float, enum.Enum):
    """A number with a name."""

    NONE = math.nan


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (math.nan, "nan at $"),
        ([None, math.inf], "inf at $[1]"),
        ({"rows": [{}, {}, {}, {"ratio": -math.inf}]}, "-inf at $.rows[3].ratio"),
        ({"a b": {'"': (1, math.nan)}}, 'nan at $["a b"]["\\""][1]'),
        ([Row(1.0), Row(math.nan)], "nan at $[1].ratio"),
        ({"level": Level.NONE}, "nan at $.level"),
        ([[], {}, [[None]], {"x": [None, {}]}, math.nan], "nan at $[4]"),
    ],
)
def test_what_is_no_number_is_refused_with_its_path(value: object, path: str) -> None:
    """NaN and infinities are refused wherever they are, and the error names the first place."""
    with pytest.raises(NotJson, match="cannot be stored") as caught:
        json_of(value, LIMIT)

    assert str(caught.value) == f"the result cannot be stored: {path} is not JSON"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ([None, {"null": None}, Row(1.0)], '[null,{"null":null},{"ratio":1.0,"name":null}]'),
        ("null", '"null"'),
        ("x" * (LIMIT - 2), f'"{"x" * (LIMIT - 2)}"'),
        ([1] * 500, f"[{','.join('1' * 500)}]"),
    ],
)
def test_a_value_that_is_json_is_kept(value: object, text: str) -> None:
    """Nulls are values like any other, and a value may be as large as the limit."""
    assert json_of(value, LIMIT) == text


@pytest.mark.parametrize(
    "value",
    [
        "x" * (LIMIT - 1),
        "é" * (LIMIT // 2),
        "\0" * (LIMIT // 5),
        [1] * 512,
        [["x" * 300]] * 4,
        {f"{number:03}": 1 for number in range(140)},
        [0.1234567890123] * 70,
        Row(0.1, "x" * LIMIT),
    ],
)
def test_a_value_that_is_too_large_is_refused(value: object) -> None:
    """The size of the JSON text counts, in bytes."""
    with pytest.raises(ResultTooLarge, match=r"has (at least )?\d{4} bytes .* allows 1024$"):
        json_of(value, LIMIT)


@pytest.mark.parametrize("kind", ["text", "list", "nested"])
def test_a_very_large_value_is_not_encoded(kind: str) -> None:
    """Refusing 40 MB takes no memory of that size."""
    made: dict[str, Any] = {
        "text": "x" * 40_000_000,
        "list": [1] * 20_000_000,
        "nested": [{"pages": ["x" * 1_000_000] * 40}],
    }
    tracemalloc.start()
    try:
        with pytest.raises(ResultTooLarge, match="at least"):
            json_of(made[kind], 1024 * 1024)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_deepest_value_is_walked_without_recursion() -> None:
    """A value that is nested as deep as JSON may be is searched to its bottom."""
    deep: Any = math.nan
    for _ in range(250):
        deep = [deep]

    with pytest.raises(NotJson, match=r"nan at \$(\[0\]){250} is"):
        json_of(deep, LIMIT)

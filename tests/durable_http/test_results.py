"""Results of steps and functions, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from durable_http import NotJson, ResultTooLarge, WrongResult
from durable_http.results import result_json
from durable_http.types import JsonType

LIMIT = 1000


@dataclass
class Receipt:
    """A result."""

    number: int


@pytest.mark.parametrize("annotation", [Receipt, Any, Receipt | None])
def test_what_is_annotated_is_stored(annotation: Any) -> None:
    """A result is JSON from which its type can be made again."""
    assert result_json(Receipt(7), JsonType(annotation), LIMIT) == '{"number":7}'


def test_another_type_is_refused() -> None:
    """A result that its annotation does not allow says so before it is stored."""
    with pytest.raises(WrongResult, match="its annotation says: Expected `int`, got `str`"):
        result_json("7", JsonType(int), LIMIT)


@pytest.mark.parametrize(("value", "error"), [({1}, NotJson), ("x" * LIMIT, ResultTooLarge)])
def test_what_cannot_be_stored_is_refused(value: Any, error: type[Exception]) -> None:
    """Neither what is no JSON nor what has too many bytes is stored, whatever is annotated."""
    with pytest.raises(error):
        result_json(value, JsonType(Any), LIMIT)

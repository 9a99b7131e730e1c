"""The manifest: what a gateway gets to know of functions."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from durable_http import Context, DeclarationError, Step, Workflow
from durable_http.declarations.definition import Definition, define
from durable_http.declarations.manifest import manifest


def order(context: Context, given: Any) -> Workflow[Any]:
    """Charges and ships an order.

    And more.
    """
    return (yield context.step(quote, given))


def quote(step: Step) -> str:
    """Quotes a price."""
    return step.name


def read(*definitions: Definition, default: str | None = None, limit: float | None = 7.5) -> Any:
    """Return the manifest of functions, decoded."""
    text = manifest(definitions, default=default, step_timeout_seconds=limit, max_result_bytes=2048)
    return orjson.loads(text)


def test_a_manifest_has_a_format_and_limits() -> None:
    """A gateway checks the format, and describes the limits of the workers."""
    found = read(define(quote), default="quote")

    assert {key: value for key, value in found.items() if key != "functions"} == {
        "format": 1,
        "default": "quote",
        "limits": {"step_timeout_seconds": 7.5, "max_result_bytes": 2048},
    }
    assert read(limit=None) == {
        "format": 1,
        "default": None,
        "limits": {"step_timeout_seconds": None, "max_result_bytes": 2048},
        "functions": [],
    }


def test_a_function_is_described() -> None:
    """An entry has all that was declared and nothing of the code."""
    made = define(
        order,
        version=2,
        private=True,
        timeout=60,
        signals=("approval", "stop"),
        default_input={"a": (1, None)},
    )
    (entry,) = read(made)["functions"]

    assert entry.pop("input_schema") == made.input.schema
    assert entry == {
        "name": "order",
        "version": 2,
        "summary": "Charges and ships an order.",
        "private": True,
        "timeout_seconds": 60.0,
        "default_input": {"a": [1, None]},
        "signals": ["approval", "stop"],
    }


def test_what_is_not_declared_is_null() -> None:
    """Without declarations an entry has the service's defaults."""
    (entry,) = read(define(quote))["functions"]

    assert (entry["private"], entry["timeout_seconds"]) == (False, None)
    assert (entry["default_input"], entry["signals"]) == (None, [])


def test_functions_are_in_order() -> None:
    """The text depends on the functions alone, so that two builds can be compared."""
    made = [define(quote, version=2), define(order), define(quote, version=10), define(quote)]

    assert [(entry["name"], entry["version"]) for entry in read(*made)["functions"]] == [
        ("order", 1),
        ("quote", 1),
        ("quote", 2),
        ("quote", 10),
    ]
    texts = {
        manifest(each, default=None, step_timeout_seconds=None, max_result_bytes=1)
        for each in (made, made[::-1])
    }
    assert len(texts) == 1
    assert texts.pop().endswith(b"\n}\n")


@pytest.mark.parametrize("value", [object(), {1, 2}, [2**64], "\ud800"])
def test_a_default_input_is_json(value: Any) -> None:
    """A default input that no client could send is refused, with the function's name."""
    with pytest.raises(DeclarationError, match=r"^quote: its default input is no JSON: "):
        read(define(quote, default_input=value))

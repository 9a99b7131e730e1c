"""The catalog of functions, which the gateway uses without their code."""

from __future__ import annotations

import orjson
import pytest

from shared.catalog import SHIPPED, Function
from shared.resonate.codec import Call, decode_call, encode_call

ENTRIES = list(SHIPPED.functions.values())


def test_the_catalog_is_complete() -> None:
    """The catalog has exactly these functions, in these versions."""
    assert {name: entry.version for name, entry in SHIPPED.functions.items()} == {
        "foo": 1,
        "checkout": 1,
        "approval": 1,
        "countdown": 1,
        "fanout": 1,
        "part": 1,
    }


def test_the_default_is_a_function() -> None:
    """The function that is begun when a client names none exists."""
    assert SHIPPED.functions[SHIPPED.default].name == "foo"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_has_the_name_of_its_function(entry: Function) -> None:
    """The key of an entry is the name of its function, which is a Python identifier."""
    assert SHIPPED.functions[entry.name] is entry
    assert entry.name.isidentifier()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_default_input_can_be_sent(entry: Function) -> None:
    """A default input is compact JSON and reaches the worker unchanged."""
    stored = encode_call(entry.name, entry.version, entry.default_input)

    assert decode_call(stored) == Call(entry.name, entry.version, entry.default_input)
    assert orjson.dumps(orjson.loads(entry.default_input)).decode() == entry.default_input


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_summary_is_a_sentence(entry: Function) -> None:
    """A function's summary begins with a capital and ends with a full stop."""
    assert (entry.summary[0].isupper(), entry.summary[-1]) == (True, ".")


def test_no_input_is_null() -> None:
    """A function without a default input gets null when a client sends no body."""
    assert Function("f", 1, "Does it.").default_input == "null"

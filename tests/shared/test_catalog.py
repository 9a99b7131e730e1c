"""The catalog of functions, which the gateway uses without their code."""

from __future__ import annotations

import orjson
import pytest

from shared.catalog import SHIPPED, Catalog, Function
from shared.resonate.codec import Call, decode_call, encode_call

ENTRIES = list(SHIPPED.functions.values())


def test_a_catalog_finds_functions_by_name() -> None:
    """Each function is under its own name, and one of them is the default."""
    one, other = Function("one", 1, "One."), Function("other", 3, "Other.")

    catalog = Catalog.of(one, other, default="other")

    assert dict(catalog.functions) == {"one": one, "other": other}
    assert list(catalog.names) == ["one", "other"]
    assert catalog.default == "other"


def test_a_default_must_be_in_the_catalog() -> None:
    """A catalog whose default is none of its functions cannot be made."""
    with pytest.raises(ValueError, match="the default function other is not in the catalog"):
        Catalog.of(Function("one", 1, "One."), default="other")


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


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_no_client_makes_a_step_hold_a_slot_for_long(entry: Function) -> None:
    """A step's time that a client may choose is at most a minute."""
    pace = entry.input_schema.get("properties", {}).get("pace", {"maximum": 0})

    assert pace["maximum"] <= 60

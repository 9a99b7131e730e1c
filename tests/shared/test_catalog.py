"""What the gateway may promise about functions without having their code."""

from __future__ import annotations

import orjson
import pytest

from shared.catalog import CATALOG, DEFAULT_FUNCTION, Function
from shared.resonate.codec import Call, decode_call, encode_call

ENTRIES = list(CATALOG.values())


def test_the_catalog_is_complete() -> None:
    """These functions can be started, in these versions; an entry is never lost unnoticed."""
    assert {name: entry.version for name, entry in CATALOG.items()} == {
        "foo": 1,
        "checkout": 1,
        "approval": 1,
        "countdown": 1,
        "fanout": 1,
        "part": 1,
    }


def test_the_default_is_a_function() -> None:
    """What is started when the client names nothing exists."""
    assert CATALOG[DEFAULT_FUNCTION].name == "foo"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_function_stands_under_its_name(entry: Function) -> None:
    """The key of an entry is the name of its function, which is a name in Python too."""
    assert CATALOG[entry.name] is entry
    assert entry.name.isidentifier()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_default_input_can_be_sent(entry: Function) -> None:
    """The input used for no body arrives as it stands in the catalog, in the compact form."""
    stored = encode_call(entry.name, entry.version, entry.default_input)

    assert decode_call(stored) == Call(entry.name, entry.version, entry.default_input)
    assert orjson.dumps(orjson.loads(entry.default_input)).decode() == entry.default_input


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_summary_is_a_sentence(entry: Function) -> None:
    """What clients read about a function begins with a capital and ends with a full stop."""
    assert (entry.summary[0].isupper(), entry.summary[-1]) == (True, ".")


def test_no_input_is_null() -> None:
    """A function that says nothing of its input gets null when the client sends none."""
    assert Function("f", 1, "Does it.").default_input == "null"

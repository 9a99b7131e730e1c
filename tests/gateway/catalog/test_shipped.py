"""The catalog of the functions that come with the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.inputs.validation import Validation
from gateway.settings import SHIPPED_CATALOG
from tests.support.catalog import SHIPPED
from tests.support.processes import run_program

if TYPE_CHECKING:
    from shared.catalog import Function

ENTRIES = list(SHIPPED.functions.values())


def test_the_default_is_a_function() -> None:
    """The function that is begun when a client names none is the smallest one."""
    assert SHIPPED.default == "foo"
    assert not Validation(SHIPPED).refusal(SHIPPED.functions["foo"], {"foo": "bar"})


def test_the_manifest_is_what_workers_run() -> None:
    """The file is what `python -m worker catalog` writes of the examples."""
    written = run_program("from worker.__main__ import main; main(['catalog'])")

    assert SHIPPED_CATALOG.read_text() == written.stdout


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_summary_is_a_sentence(entry: Function) -> None:
    """A function's summary begins with a capital and ends with a full stop."""
    assert (entry.summary[0].isupper(), entry.summary[-1]) == (True, ".")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_default_input_is_taken(entry: Function) -> None:
    """A function that is begun without a body takes its default input."""
    assert Validation(SHIPPED).takes(entry, entry.default_input)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_no_client_makes_a_step_hold_a_slot_for_long(entry: Function) -> None:
    """A step's time that a client may choose is at most a minute."""
    schemas = [entry.input_schema, *entry.input_schema.get("$defs", {}).values()]
    paces = [each["properties"]["pace"] for each in schemas if "pace" in each.get("properties", {})]

    assert [pace for pace in paces if pace["maximum"] > 60] == []

"""Ids of executions, and the ids that are derived from them."""

from __future__ import annotations

import pytest

from shared.ids import (
    ancestors,
    attempt_id,
    id_of_stored,
    is_execution_id,
    parts_pattern,
    signal_id,
    signal_key_id,
    stored_id,
)

GOOD = ("a", "Z", "0", "_", "-", "--", "__", "a-b_C-9", "0" * 128)

BAD = (
    "",
    " ",
    "a b",
    "a ",
    " a",
    "a\n",
    "\na",
    "a\r\n",
    "a\tb",
    "a\0",
    ".",
    "..",
    "a.b",
    "a.",
    "a/b",
    "/",
    "a\\b",
    "a:b",
    "a%2Fb",
    "a?b",
    "a#b",
    "a*",
    "a@b",
    "a+b",
    "a~",
    "é",
    "ａ",  # noqa: RUF001 - a letter that only looks like one of ours
    "١",  # noqa: RUF001 - a digit, but not an ASCII one
    "a\u200b",
    "a\ud800",
    "x" * 129,
    "x" * 100_000,
)


@pytest.mark.parametrize("id", GOOD, ids=ascii)
def test_letters_digits_hyphen_and_underscore_are_an_id(id: str) -> None:
    """One to 128 ASCII letters, digits, underscores and hyphens are an id."""
    assert is_execution_id(id) is True


@pytest.mark.parametrize("id", BAD, ids=lambda id: f"{len(id)}-{id[:12]!a}")
def test_nothing_else_is_an_id(id: str) -> None:
    """A text with characters special to the server, to URLs or to headers is no id."""
    assert is_execution_id(id) is False


def test_of_ascii_only_the_grammar_is_an_id() -> None:
    """Exactly 64 of the ASCII characters are allowed in an id."""
    allowed = "".join(chr(code) for code in range(128) if is_execution_id(f"a{chr(code)}a"))

    assert allowed == "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


def test_parts_are_what_comes_after_a_dot() -> None:
    """The pattern matches the ids that an execution created, not the execution itself."""
    assert parts_pattern("job-1") == "job-1.*"


@pytest.mark.parametrize(("attempt", "id"), [(2, "job.attempt.2"), (11, "job.attempt.11")])
def test_an_attempt_is_a_part(attempt: int, id: str) -> None:
    """The id of an attempt has the execution's id and a number, and no client can use it."""
    assert attempt_id("job", attempt) == id
    assert not is_execution_id(id)


def test_values_of_a_signal_are_numbered() -> None:
    """The first value has the signal's id, each other one a number; no two signals share an id."""
    assert signal_id("job", "next") == signal_id("job", "next", 1) == "job.signal.next"
    assert signal_id("job", "next", 2) == "job.signal.next.2"
    assert signal_id("job", "2", 12) == "job.signal.2.12"
    assert signal_key_id("job", "next", "ab") == "=job.signal.next.key=ab"


def test_the_executions_above_a_child_are_in_its_id() -> None:
    """Each dot in a child's id ends the id of an execution above it."""
    assert ancestors("job") == []
    assert ancestors("job.2") == ["job"]
    assert ancestors("job.2.10.1") == ["job", "job.2", "job.2.10"]


@pytest.mark.parametrize("id", ["order_4711.2", "__a_.1", "a.signal.go_on", "a_.attempt.2"])
def test_no_search_has_a_wildcard(id: str) -> None:
    """What an execution creates is stored without `_`, a wildcard of the server's search."""
    assert "_" not in stored_id(id)
    assert len(stored_id(id)) == len(id)
    assert id_of_stored(stored_id(id)) == id


@pytest.mark.parametrize("id", ["order_4711", "_", "a~b"])
def test_an_execution_is_stored_under_its_id(id: str) -> None:
    """The id of an execution that a client began is stored as it is."""
    assert (stored_id(id), id_of_stored(id)) == (id, id)

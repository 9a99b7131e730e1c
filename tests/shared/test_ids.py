"""What an execution may be called, and what is named after it."""

from __future__ import annotations

import pytest

from shared.ids import ancestors, attempt_id, is_execution_id, parts_pattern

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
    "١",  # noqa: RUF001 - a digit, but none of ours
    "a\u200b",
    "a\ud800",
    "x" * 129,
    "x" * 100_000,
)


@pytest.mark.parametrize("id", GOOD, ids=ascii)
def test_letters_digits_and_two_signs_are_an_id(id: str) -> None:
    """One to 128 ASCII letters, digits, underscores and hyphens are an id."""
    assert is_execution_id(id) is True


@pytest.mark.parametrize("id", BAD, ids=lambda id: f"{len(id)}-{id[:12]!a}")
def test_nothing_else_is_an_id(id: str) -> None:
    """Whatever means something to the server, to a URL or to a header is no id."""
    assert is_execution_id(id) is False


def test_of_ascii_only_the_grammar_is_an_id() -> None:
    """Of all ASCII characters exactly 64 may stand in an id."""
    allowed = "".join(chr(code) for code in range(128) if is_execution_id(f"a{chr(code)}a"))

    assert allowed == "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


def test_parts_are_what_comes_after_a_dot() -> None:
    """The pattern asks for what an execution created, not for the execution or its namesakes."""
    assert parts_pattern("job-1") == "job-1.*"


@pytest.mark.parametrize(("attempt", "id"), [(2, "job.attempt.2"), (11, "job.attempt.11")])
def test_an_attempt_is_a_part(attempt: int, id: str) -> None:
    """A record of an attempt is named after its execution and its number, as no client can."""
    assert attempt_id("job", attempt) == id
    assert not is_execution_id(id)


def test_a_child_knows_what_it_is_below() -> None:
    """The executions above a child follow from its id, as only the client's has no dot."""
    assert ancestors("job") == []
    assert ancestors("job.2") == ["job"]
    assert ancestors("job.2.10.1") == ["job", "job.2", "job.2.10"]

"""The table of problems is complete and matches the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway import errors
from gateway.http.answers.problems import (
    INTERNAL,
    PROBLEM_BY_ERROR,
    PROBLEM_BY_STATUS,
    UNAVAILABLE,
    Problem,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRACT = {
    "invalid-request": 400,
    "unknown-id": 404,
    "unknown-function": 404,
    "not-found": 404,
    "method-not-allowed": 405,
    "payload-too-large": 413,
    "unsupported-media-type": 415,
    "id-reused": 422,
    "invalid-input": 422,
    "internal": 500,
    "value-lost": 500,
    "backend-unavailable": 503,
    "overloaded": 503,
    "unauthorized": 401,
    "forbidden-origin": 403,
    "forbidden-host": 403,
    "already-done": 409,
    "signal-conflict": 409,
    "too-many-requests": 429,
    "execution-canceled": 410,
    "execution-rejected": 500,
    "execution-timedout": 504,
}


def tree(root: type[errors.ServiceError]) -> Iterator[type[errors.ServiceError]]:
    """Yield every error of the shared tree below a root."""
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
            yield from tree(kind)


EVERY = list(tree(errors.ServiceError))
PROBLEMS = [*PROBLEM_BY_ERROR.values(), *PROBLEM_BY_STATUS.values(), INTERNAL, UNAVAILABLE]


@pytest.mark.parametrize("kind", EVERY)
def test_every_error_is_a_problem(kind: type[errors.ServiceError]) -> None:
    """Every error of the tree is in the table."""
    assert kind in PROBLEM_BY_ERROR


def test_the_table_has_nothing_else() -> None:
    """The table names no error that is not in the tree."""
    assert set(PROBLEM_BY_ERROR) == set(EVERY)


@pytest.mark.parametrize("kind", [k for k in EVERY if issubclass(k, errors.BackendUnavailable)])
def test_what_may_be_tried_again_is_one_problem(kind: type[errors.ServiceError]) -> None:
    """All reasons for which the server cannot be asked are one problem."""
    assert PROBLEM_BY_ERROR[kind] is UNAVAILABLE


def test_every_problem_is_of_the_contract() -> None:
    """All problems together are the contract's, each with its status."""
    assert {problem.slug: problem.status for problem in PROBLEMS} == CONTRACT


def test_one_slug_is_one_problem() -> None:
    """A problem that comes from us and from aiohttp has one title."""
    assert len(set(PROBLEMS)) == len({problem.slug for problem in PROBLEMS})


@pytest.mark.parametrize(("status", "problem"), PROBLEM_BY_STATUS.items())
def test_refusals_of_aiohttp_keep_their_status(status: int, problem: Problem) -> None:
    """A refusal of aiohttp keeps its status."""
    assert problem.status == status


@pytest.mark.parametrize("kind", EVERY)
def test_an_error_has_a_detail_and_an_id(kind: type[errors.ServiceError]) -> None:
    """Every error has a detail, which is its text, and optionally an id."""
    bare, whole = kind("what to do"), kind("what to do", id="job-1")

    assert (bare.detail, str(bare), bare.id) == ("what to do", "what to do", None)
    assert whole.id == "job-1"

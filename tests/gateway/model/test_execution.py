"""Promises of the server become executions of the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model.execution import execution_of
from shared.resonate.codec import Failure
from shared.resonate.large_values import Reference
from tests.support.gateway.promises import promise

RESULT = '"[1,2]"'


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("PENDING", "pending"),
        ("RESOLVED", "resolved"),
        ("REJECTED", "rejected"),
        ("REJECTED_CANCELED", "canceled"),
        ("REJECTED_TIMEDOUT", "timedout"),
    ],
)
def test_every_state_has_a_word(state: str, status: str) -> None:
    """Each state of the server is one status, and every status but pending is an end."""
    execution = execution_of(promise(state=state, value=RESULT))

    assert (execution.status, execution.done) == (status, status != "pending")
    assert (execution.result is not None) == (status == "resolved")
    assert (execution.error is not None) == (status not in {"pending", "resolved"})


def test_a_state_that_is_none_is_an_error() -> None:
    """A state that the server does not have is an error."""
    with pytest.raises(KeyError):
        execution_of(promise(state="PAUSED"))


def test_an_execution_has_its_call_and_times() -> None:
    """Function, version, input and times come from the promise as they are."""
    execution = execution_of(promise(state="RESOLVED", value=RESULT, completed=2_000))

    assert (execution.id, execution.function, execution.input) == ("job-1", "foo", '{"n":1}')
    assert execution.version == 1
    assert (execution.created_at, execution.completed_at, execution.timeout_at) == (
        *(1_000, 2_000),
        90_000,
    )
    assert (execution.result, execution.activity, execution.steps) == ("[1,2]", None, ())


@pytest.mark.parametrize(("tags", "version"), [({"version": "12"}, 12), ({}, None)])
def test_a_large_call_has_its_version_beside_it(tags: dict[str, str], version: int | None) -> None:
    """Of a call that is stored apart the version is in a tag; older executions have none."""
    large = Reference("=job-1=x", 20_000, "x")
    stored = replace(promise(tags={"function": "foo", **tags}), param=large)

    assert execution_of(stored).version == version


@pytest.mark.parametrize(
    "param",
    [
        None,
        "",
        "{",
        "null",
        "[]",
        '"foo"',
        "{}",
        '{"func":"foo","args":[],"kwargs":{},"version":1}',
        '{"func":"foo","args":["1","2"],"kwargs":{},"version":1}',
        '{"func":"foo","args":[1],"kwargs":{},"version":1}',
        '{"func":"foo","args":["{"],"kwargs":{},"version":1}',
        '{"func":"foo","args":["1"],"kwargs":{"a":1},"version":1}',
        '{"func":"foo","args":["1"],"kwargs":{},"version":true}',
        '{"func":1,"args":["1"],"kwargs":{},"version":1}',
    ],
)
def test_what_is_no_call_of_ours_is_no_execution(param: str | None) -> None:
    """A promise without a call of our form is refused."""
    with pytest.raises(ValueError, match=r"."):
        execution_of(promise(param=param))


@pytest.mark.parametrize("value", [None, "", "{", "1", "null", '{"a":1}', '"{"'])
def test_what_is_no_result_of_ours_is_refused(value: str | None) -> None:
    """A value that is not a JSON text in a JSON string is no result."""
    with pytest.raises(ValueError, match=r"."):
        execution_of(promise(state="RESOLVED", value=value))


@pytest.mark.parametrize(
    ("value", "failure"),
    [
        (Failure("A", "b", "c", 2).rejection(), Failure("A", "b", "c", 2)),
        (Failure("A", "b").rejection(), Failure("A", "b")),
        ('{"__error__":"boom"}', Failure("Error", "boom")),
        ('{"__error__":"{\\"type\\":1}"}', Failure("Error", '{"type":1}')),
        ("boom", Failure("Error", "boom")),
        (None, Failure("Error", "rejected without a reason")),
    ],
)
def test_every_rejection_is_a_failure(value: str | None, failure: Failure) -> None:
    """Any value of a rejection becomes an error with a type and a message."""
    assert execution_of(promise(state="REJECTED", value=value)).error == failure

"""Promises of the server become executions, steps and phases of the API."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.model.activity import Activity, activity_of, last_worker_action
from gateway.model.execution import execution_of
from gateway.model.steps import StepState, steps_of
from gateway.model.stored_promise import StoredPromise
from shared.resonate import tags as tag
from shared.resonate.codec import Failure, encode_call

if TYPE_CHECKING:
    from collections.abc import Mapping


CALL = encode_call("foo", 1, '{"n":1}')
RESULT = '"[1,2]"'


def promise(  # noqa: PLR0913 - the parts of a promise
    id: str = "job-1",
    state: str = "PENDING",
    *,
    param: str | None = CALL,
    value: str | None = None,
    created: int = 1_000,
    completed: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> StoredPromise:
    """Return a promise as the server has it stored."""
    return StoredPromise(id, state, created, completed, 90_000, dict(tags or {}), param, value)


def part(
    name: str | None,
    worker: str,
    created: int,
    *,
    completed: int | None = None,
    recovered_from: str | None = None,
) -> StoredPromise:
    """Return what a worker's claim created: a step, or without a name its other records."""
    tags = {tag.STEP: name, tag.WORKER: worker, tag.RECOVERED_FROM: recovered_from}
    return promise(
        "job-1.1",
        "PENDING" if completed is None else "RESOLVED",
        created=created,
        completed=completed,
        tags={key: value for key, value in tags.items() if value is not None},
    )


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
    assert (execution.created_at, execution.completed_at, execution.timeout_at) == (
        *(1_000, 2_000),
        90_000,
    )
    assert (execution.result, execution.activity, execution.steps) == ("[1,2]", None, ())


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


def test_nobody_works_on_what_has_no_worker() -> None:
    """Without a worker's tag no worker, attempt or recovery is known."""
    assert activity_of([promise()]) is None


def test_the_newest_record_shows_who_works() -> None:
    """Worker, attempt and the worker before come from the tags."""
    tags = {tag.WORKER: "w2", tag.ATTEMPT: "3", tag.RECOVERED_FROM: "w1"}

    assert activity_of([promise(tags=tags)]) == Activity("w2", 3, "w1")
    assert activity_of([promise(tags={tag.WORKER: "w1"})]) == Activity("w1", 1, None)


def test_steps_are_listed_oldest_first() -> None:
    """Steps, which the server lists newest first, are shown in the order they began."""
    created = [
        part("charge", "w1", 20),
        part("reserve", "w1", 10, completed=15),
    ]

    assert steps_of(created) == [
        StepState("reserve", "resolved", "w1", 10, 15),
        StepState("charge", "pending", "w1", 20, None),
    ]


def test_what_is_no_step_is_not_listed() -> None:
    """Other things that an execution created, such as timers, are not among its steps."""
    assert steps_of([part(None, "w1", 20), part(None, "w2", 10)]) == []


@pytest.mark.parametrize(
    ("completed", "worker"), [(None, "w2"), (40, "w2"), (30, "w2"), (29, "w1")]
)
def test_a_step_is_of_the_worker_that_ended_it(completed: int | None, worker: str) -> None:
    """A step shows the worker that ended it: the new one if it was taken over before its end."""
    taken = part(None, "w2", 30, recovered_from="w1")
    step = part("reserve", "w1", 10, completed=completed)

    assert [found.worker for found in steps_of([taken, step])] == [worker]


def test_the_last_recovery_before_the_end_counts() -> None:
    """Of several recoveries after a step's start, the last before its end names its worker."""
    created = [
        part(None, "w4", 60, recovered_from="w3"),
        part(None, "w3", 40, recovered_from="w2"),
        part(None, "w2", 30, recovered_from="w1"),
        part("reserve", "w1", 10, completed=50),
    ]

    assert [found.worker for found in steps_of(created)] == ["w3"]


def test_a_recovery_before_a_step_is_not_its_own() -> None:
    """A step that began after a recovery shows the worker that began it."""
    created = [
        part("charge", "w3", 40, recovered_from="w1"),
        part(None, "w2", 30, recovered_from="w1"),
    ]

    assert [found.worker for found in steps_of(created)] == ["w3"]


def test_a_step_without_a_worker_is_listed_all_the_same() -> None:
    """A step whose tags are incomplete is still listed."""
    assert steps_of([promise(tags={tag.STEP: "reserve"})]) == [
        StepState("reserve", "pending", "", 1_000, None)
    ]


def thing(
    state: str = "RESOLVED", created: int = 1_000, completed: int | None = None, /, **tags: str
) -> StoredPromise:
    """Return something that an execution created in its first attempt."""
    completed = None if state == "PENDING" else completed or created + 1
    own = {tag.WORKER: "a", tag.ATTEMPT: "1"}
    return promise(state=state, created=created, completed=completed, tags={**own, **tags})


CHILD = {tag.KIND: tag.CHILD, tag.FUNCTION: "part"}


@pytest.mark.parametrize(
    ("created", "phase", "waits"),
    [
        ([thing("PENDING", step="pack"), thing(step="charge")], "running", []),
        ([thing(step="charge")], "running", []),
        ([thing("PENDING", 7, signal="approval")], "waiting", ["approval"]),
        ([thing("PENDING", 7, **{tag.SLEEP: "true"})], "waiting", ["sleep"]),
        (
            [thing("PENDING", 8, **CHILD), thing(**CHILD), thing("PENDING", 7, **CHILD)],
            "waiting",
            ["part", "part"],
        ),
        ([thing("PENDING", step="pack"), thing("PENDING", **CHILD)], "running", []),
        ([thing(signal="approval"), thing(step="ask")], "queued", []),
        ([thing("REJECTED_TIMEDOUT", signal="approval")], "queued", []),
        ([thing(**CHILD)], "queued", []),
        ([thing(progress="1/2"), thing(**{tag.SLEEP: "true"})], "running", []),
        (
            [thing(progress="1/2"), thing("RESOLVED", 1_000, 9_000, **CHILD), thing(**CHILD)],
            "queued",
            [],
        ),
        (
            [
                thing("RESOLVED", 1_000, 9_000, step="ship"),
                thing("RESOLVED", 1_000, 8_000, **CHILD),
            ],
            "running",
            [],
        ),
        (
            [
                thing(progress="1/2"),
                thing("RESOLVED", 1_000, 9_000, **CHILD),
                thing("PENDING", **CHILD),
            ],
            "waiting",
            ["part"],
        ),
    ],
)
def test_the_phase_follows_from_what_is_open(
    created: list[StoredPromise], phase: str, waits: list[str]
) -> None:
    """The phase: running with an open step, else waiting with anything open, else queued."""
    execution = replace(execution_of(promise()), activity=activity_of(created))

    assert execution.activity is not None
    assert execution.phase(2.0) == phase
    assert [name for name, _ in execution.activity.waiting_for] == waits


def test_an_execution_without_its_worker_is_recovering() -> None:
    """An execution whose worker is lost in the middle of a step is recovering."""
    activity = activity_of([thing("PENDING", step="pack")])
    assert activity is not None
    lost = replace(activity, recovering=True)

    assert replace(execution_of(promise()), activity=lost).phase(2.0) == "recovering"


def test_the_last_sign_of_a_worker() -> None:
    """A begin or the end of a step is a sign of the worker, the end of a child or sleep is not."""
    assert last_worker_action([thing("PENDING", 7, step="pack"), thing("PENDING", 5, **CHILD)]) == 7
    assert last_worker_action([thing("RESOLVED", 7, 20, step="pack")]) == 20
    assert last_worker_action([thing("RESOLVED", 7, 20, **CHILD)]) == 7
    assert last_worker_action([]) == 0


def test_progress_is_not_forgotten() -> None:
    """Progress is the latest report, also after later steps, with the open step's name."""
    activity = activity_of([thing("PENDING", step="pack", reported="3/9")])

    assert activity is not None
    assert (activity.progress, activity.step) == ((3, 9), "pack")


def test_a_child_is_a_step_without_a_worker() -> None:
    """A child is listed as a step with its function's name, without a worker."""
    assert steps_of([thing("PENDING", 5, **CHILD)]) == [StepState("part", "pending", None, 5, None)]

"""The step of a plain function that was so quick that it is stored with its execution's end."""

from __future__ import annotations

import pytest

from gateway.model.execution import execution_of
from gateway.model.stored_promise import StoredPromise
from gateway.model.timeline import timeline
from shared.resonate import tags as tag
from shared.resonate.codec import encode_call

NOTES = {tag.STEP: "foo", tag.WORKER: "worker-1", tag.STARTED: "1500"}


def root(state: str, ended: int | None, notes: dict[str, str]) -> StoredPromise:
    """Return an execution that was begun at 1,000 ms and has these notes beside its value."""
    value = {"RESOLVED": '"1"', "REJECTED": '{"__error__":"{}"}'}.get(state)
    call = encode_call("foo", 1, "1")
    return StoredPromise("job", state, 1_000, ended, 9_000, {}, call, value, notes)


@pytest.mark.parametrize(("noted", "shown"), [("1500", 1_500), ("900", 1_000), ("2500", 2_000)])
def test_its_times_lie_within_those_of_its_execution(noted: str, shown: int) -> None:
    """The worker's clock may differ a little from the server's."""
    execution = execution_of(root("RESOLVED", 2_000, {**NOTES, tag.STARTED: noted}))

    step = execution.only_step
    assert step is not None
    assert (step.id, step.state) == ("job.1", "RESOLVED")
    assert (step.created_on, step.completed_on) == (shown, 2_000)


def test_its_events_come_before_the_last() -> None:
    """A stream shows the worker, the step's start and its end, and then `done`."""
    execution = execution_of(root("REJECTED", 2_000, NOTES))

    events = timeline(execution, [])

    assert [event.name for event in events] == ["state", "state", "step", "step", "done"]
    assert [event.key[0] for event in events] == [1_000, 1_500, 1_500, 2_000, 2_000]


@pytest.mark.parametrize(
    ("state", "ended", "notes"),
    [("PENDING", None, {}), ("RESOLVED", 2_000, {}), ("RESOLVED", 2_000, {tag.STEP: "foo"})],
)
def test_other_executions_have_none(state: str, ended: int | None, notes: dict[str, str]) -> None:
    """Steps that have promises of their own are read from these."""
    assert execution_of(root(state, ended, notes)).only_step is None

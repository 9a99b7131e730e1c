"""Who works on an execution, and in which phase it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gateway.model.activity import Activity, activity_of, last_worker_action
from gateway.model.execution import execution_of
from shared.resonate import tags as tag
from tests.support.gateway.promises import CHILD, promise, thing

if TYPE_CHECKING:
    from gateway.model.stored_promise import StoredPromise


def test_nobody_works_on_what_has_no_worker() -> None:
    """Without a worker's tag no worker, attempt or recovery is known."""
    assert activity_of([promise()]) is None


def test_the_newest_record_shows_who_works() -> None:
    """Worker, attempt and the worker before come from the tags."""
    tags = {tag.WORKER: "w2", tag.ATTEMPT: "3", tag.RECOVERED_FROM: "w1"}

    assert activity_of([promise(tags=tags)]) == Activity("w2", 3, "w1")
    assert activity_of([promise(tags={tag.WORKER: "w1"})]) == Activity("w1", 1, None)


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

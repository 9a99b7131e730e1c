"""Executions that no worker can go on with yet, from records made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.model.activity import Activity, activity_of
from gateway.model.blocked import Blocked, blocked_of
from gateway.model.history import History
from gateway.model.representation import execution_body, rfc3339
from gateway.model.steps import steps_of
from gateway.model.timeline import timeline
from shared.resonate import tags as tag
from tests.support.gateway.histories import BLOCKED, LIMIT, block, part, root, sleep, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.model.stored_promise import StoredPromise

APPROVAL = {"name": "approval", "since": rfc3339(1_100)}
SHOWN = {**BLOCKED, "worker": "worker-2"}


def signal(at: int, ended: int | None = None, k: int = 1) -> StoredPromise:
    """Return the k-th wait for the signal `approval`."""
    id = "signal.approval" if k == 1 else f"signal.approval.{k}"
    return part(id, at, ended, tags={tag.SIGNAL: "approval", tag.NUMBER: str(k)})


def awaits(n: int, at: int) -> StoredPromise:
    """Return the record of a wait for `approval`, which is pending as long as the execution."""
    return part(n, at, tags={tag.AWAITS: "approval", tag.NUMBER: "1"})


def activity(*created: StoredPromise) -> Activity:
    """Return the activity of an execution that has created these, newest first."""
    seen = activity_of(created)
    assert seen is not None
    return seen


def body(seen: Activity) -> dict[str, Any]:
    """Return the body of /wait of an execution with this activity."""
    execution = replace(root(), activity=seen)
    shown = execution_body(execution, frozenset(), 2.0)
    return dict(msgspec.json.decode(msgspec.json.encode(shown)))


def states(*parts: StoredPromise, **of_root: Any) -> list[tuple[int, str, Any]]:
    """Return time, phase and signals waited for of the states after the first one."""
    events = [event for event in timeline(root(**of_root), parts)[1:] if event.name == "state"]
    shown = [msgspec.json.decode(msgspec.json.encode(event.data)) for event in events]
    return [
        (event.key[0], data["phase"], [each["name"] for each in data.get("waiting_for", ())])
        for event, data in zip(events, shown, strict=True)
    ]


def test_a_block_is_shown_with_its_reason() -> None:
    """The phase is blocked; the reason names what is stored, what was asked for, and by whom."""
    shown = body(activity(block(1, 1_200), step(1, 1_100, 1_150)))

    assert (shown["phase"], shown["blocked"]) == ("blocked", SHOWN)
    assert (shown["worker"], shown["attempt"]) == ("worker-2", 1)


def test_a_block_before_any_worker_ran_it() -> None:
    """An execution of an unknown version has nothing but the record, and is blocked too."""
    assert body(activity(block(1, 1_200)))["phase"] == "blocked"
    assert activity_of([block(1, 1_200, 1_300)]) is None


def test_a_wait_stays_open_while_it_is_blocked() -> None:
    """What a blocked execution waits for is shown until it comes; the phase is blocked."""
    waiting = activity(block(1, 1_200), signal(1_100), awaits(1, 1_090))
    over = activity(block(1, 1_200), signal(1_100, 1_300), awaits(1, 1_090))

    assert (body(waiting)["phase"], body(waiting)["waiting_for"]) == ("blocked", [APPROVAL])
    assert body(over)["phase"] == "blocked"
    assert "waiting_for" not in body(over)


def test_nothing_runs_while_it_is_blocked() -> None:
    """A step that was running when its worker was lost is neither running nor retried."""
    failed = {tag.FAILED_TRY: '{"type":"E","message":"m","attempts":2}', tag.CLAIM: "t/1"}
    marks = {tag.STEP: "ship", tag.CLAIM: "t/1", tag.REPORTED: "1/2"}
    created = [
        block(1, 1_300),
        part("1.failed.1.2", 1_200, limit=90_000, tags=failed),
        part(1, 1_100, tags=marks),
    ]

    shown = body(activity(*created))

    assert shown["phase"] == "blocked"
    assert shown["progress"] == {"done": 1, "total": 2, "step": None}
    assert not {"tries", "last_error", "next_try_at"} & shown.keys()
    assert body(activity(*created[1:]))["tries"] == 2


@pytest.mark.parametrize(
    ("created", "phase", "worker"),
    [
        ([block(1, 1_200, 1_300), signal(1_100)], "waiting", "worker-1"),
        ([block(1, 1_200, 1_300), step(1, 1_100, 1_150)], "running", "worker-1"),
        ([block(1, 1_200, 1_300), signal(1_100, 1_150)], "running", "worker-1"),
        ([block(1, 1_200, 1_300), signal(1_100, 1_350)], "queued", "worker-1"),
        ([step(2, 1_400, worker="worker-3"), block(1, 1_200, 1_300)], "running", "worker-3"),
        ([step(2, 1_400, worker="worker-3"), block(1, 1_200)], "running", "worker-3"),
        ([block(2, 1_250, 1_300), block(1, 1_200), signal(1_100)], "waiting", "worker-1"),
        ([block(2, 1_400), block(1, 1_200, 1_300), signal(1_100)], "blocked", "worker-2"),
    ],
)
def test_a_block_that_is_over_shows_no_more(
    created: Sequence[StoredPromise], phase: str, worker: str
) -> None:
    """An execution that goes on is as before; only the newest record can block it."""
    shown = body(activity(*created))

    assert (shown["phase"], shown["worker"]) == (phase, worker)
    assert ("blocked" in shown) == (phase == "blocked")


def test_an_execution_that_has_ended_is_not_blocked() -> None:
    """A record that is open at the end, or that the server has timed out since, is not shown."""
    for record in (block(1, 1_200), block(1, 1_200, LIMIT, state="REJECTED_TIMEDOUT")):
        ended = replace(root(ended=LIMIT, status="timedout"), activity=activity(record))
        shown = execution_body(ended, frozenset({"steps"}), 2.0)
        assert (shown.blocked, shown.phase, shown.worker) == (
            *(msgspec.UNSET, msgspec.UNSET),
            "worker-2",
        )


def test_a_blocked_worker_took_no_step_over() -> None:
    """A step that was open before the block keeps its worker."""
    record = block(1, 1_200, recovered_from="worker-1", attempt=2)

    assert [each.worker for each in steps_of([record, step(1, 1_100)])] == ["worker-1"]


@pytest.mark.parametrize("stored", ["", "{", "null", "[]", "{}", '{"expected":"","version":"2"}'])
def test_a_record_of_another_form_blocks_as_well(stored: str) -> None:
    """A record that says nothing is shown without a reason, and fails no request."""
    record = replace(block(1, 1_200), tags={tag.BLOCKED: stored, tag.WORKER: "w"})

    assert blocked_of(record) == Blocked("unknown", "unknown", "w", None)


def test_a_block_and_its_end_are_states() -> None:
    """The first state says why, the second that a worker goes on; then come the next steps."""
    _, *events = timeline(root(), [block(1, 1_200, 1_300), step(1, 1_400, worker="worker-3")])

    assert [(event.key, event.name) for event in events] == [
        ((1_200, 1, 0), "state"),
        ((1_300, 1, 2), "state"),
        ((1_400, 2, 1), "step"),
    ]
    first, second = (msgspec.json.decode(msgspec.json.encode(e.data)) for e in events[:2])
    assert first == {
        "status": "pending",
        "phase": "blocked",
        "worker": "worker-2",
        "attempt": 1,
        "blocked": SHOWN,
        "at": rfc3339(1_200),
    }
    assert second == {"status": "pending", "phase": "running", "at": rfc3339(1_300)}


def test_a_wait_that_ends_in_a_block_goes_on_after_it() -> None:
    """While an execution is blocked no event says that it runs."""
    assert states(signal(1_100, 1_250), block(1, 1_200, 1_300)) == [
        (1_100, "waiting", ["approval"]),
        (1_200, "blocked", ["approval"]),
        (1_300, "running", []),
    ]
    assert states(sleep(1, 1_100, 1_250), block(1, 1_200)) == [
        (1_100, "waiting", ["sleep"]),
        (1_200, "blocked", ["sleep"]),
    ]


def test_a_wait_that_outlasts_a_block_is_waited_for_again() -> None:
    """After the block the execution waits as before, and goes on when the wait ends."""
    assert states(signal(1_100, 1_400), block(1, 1_200, 1_300)) == [
        (1_100, "waiting", ["approval"]),
        (1_200, "blocked", ["approval"]),
        (1_300, "waiting", ["approval"]),
        (1_400, "running", []),
    ]


def test_one_block_after_another() -> None:
    """The next worker that cannot go on either is one more state, without one in between."""
    recovery = part("attempt.2", 1_300, worker="worker-3", attempt=2, recovered_from="worker-2")
    first, second = block(1, 1_200), block(2, 1_400, 1_500, worker="worker-3")

    assert states(first, second) == [
        (1_200, "blocked", []),
        (1_400, "blocked", []),
        (1_500, "running", []),
    ]
    assert states(first, recovery, sleep(1, 1_310, 1_350), second) == [
        (1_200, "blocked", []),
        (1_300, "running", []),
        (1_310, "waiting", ["sleep"]),
        (1_350, "running", []),
        (1_400, "blocked", []),
        (1_500, "running", []),
    ]
    assert states(block(1, 1_200, 1_500), replace(second, state="PENDING", completed_on=None)) == [
        (1_200, "blocked", []),
        (1_400, "blocked", []),
    ]


@pytest.mark.parametrize("limit", [LIMIT, 1_400])
def test_a_block_lasts_to_the_end(limit: int) -> None:
    """No event says that an execution goes on that times out while it is blocked."""
    record = block(1, 1_200, limit=limit)
    timed_out = replace(record, state="REJECTED_TIMEDOUT", completed_on=limit)
    of_root = {"ended": LIMIT, "status": "timedout"}

    assert states(record, **of_root) == states(timed_out, **of_root) == [(1_200, "blocked", [])]
    later = sleep(1, 1_300, 1_350)
    assert states(timed_out, later, **of_root) == [
        (1_200, "blocked", []),
        (1_300, "waiting", ["sleep"]),
        (1_350, "running", []),
    ]


def test_records_for_workers_have_no_events() -> None:
    """Neither a wait's record nor a recorded change is an event, or counts as the first part."""
    change = part(1, 1_100, tags={tag.CHANGED: "reserve-before-charge"})

    assert states(change, awaits(2, 1_101)) == []
    assert states(change, awaits(2, 1_101), signal(1_102, 1_200, k=2)) == [
        (1_102, "waiting", ["approval"]),
        (1_200, "running", []),
    ]
    assert states(change, step(3, 1_300)) == [(1_300, "running", [])]


def test_records_for_workers_are_no_waits_and_no_steps() -> None:
    """A wait's record is pending for as long as its execution, which waits no more."""
    change = part(1, 1_100, tags={tag.CHANGED: "reserve-before-charge"})
    created = [step(3, 1_300), signal(1_110, 1_200), awaits(2, 1_105), change]

    assert (activity(*created).phase, activity(*created).waiting_for) == ("running", ())
    assert activity(awaits(2, 1_105), change).phase == "running"
    assert activity(*created[1:]).resumable
    assert [each.name for each in steps_of(created)] == ["s"]
    assert (awaits(2, 1_105).is_final, change.is_final) == (True, True)


def test_a_block_is_read_again_until_it_is_over() -> None:
    """A gateway that follows an execution looks for the end of an open block."""
    story = History()

    story.learn(root(), [block(1, 1_200), awaits(1, 1_100)], 10.0, 10.1)
    assert (story.known, story.unfinished) == ({"job-1.1"}, {"job-1.blocked.1"})
    story.learn(root(), [block(1, 1_200, 1_300)], 10.3, 10.4)
    assert story.unfinished == set()

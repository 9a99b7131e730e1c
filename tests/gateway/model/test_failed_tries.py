"""Records of failed tries become the state of a step that is tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.model.activity import activity_of, open_step
from gateway.model.failed_tries import FailedTry, failed_tries
from gateway.model.representation import execution_body, rfc3339
from gateway.model.steps import steps_of
from gateway.model.timeline import timeline
from shared.ids import failed_try_id, step_of_failed_try
from shared.resonate import tags as tag
from shared.resonate.codec import Failure
from tests.support.gateway.histories import part, root, step

if TYPE_CHECKING:
    from gateway.model.stored_promise import StoredPromise

FIRST, SECOND = "__invoke:job-1/1", "__invoke:job-1/2"
NEXT_TRY_AT = 9_000


def failed(
    n: int, number: int, at: int, *, over: bool = False, claim: str = FIRST
) -> StoredPromise:
    """Return the record of a failed try of the n-th step."""
    failure = Failure("OSError", f"try {number}", f"step-{n}", number)
    return part(
        failed_try_id(str(n), 1, number),
        at,
        NEXT_TRY_AT if over else None,
        state="REJECTED_TIMEDOUT",
        limit=NEXT_TRY_AT,
        tags={tag.FAILED_TRY: failure.encode(), tag.CLAIM: claim},
    )


def begun(n: int, at: int, ended: int | None = None, claim: str = FIRST) -> StoredPromise:
    """Return the n-th step."""
    return step(n, at, ended, name=f"step-{n}", **{tag.CLAIM: claim})


def body(created: list[StoredPromise], now: float, **activity: Any) -> dict[str, Any]:
    """Return what /wait answers of an execution, at `now` in milliseconds."""
    seen = activity_of(created)
    assert seen is not None
    execution = replace(root(), activity=replace(seen, **activity))
    encoded = msgspec.json.encode(execution_body(execution, frozenset(), now / 1000))
    decoded: dict[str, Any] = msgspec.json.decode(encoded)
    return decoded


@pytest.mark.parametrize("step_id", ["job-1.3", "a.failed.2.7", "job-1.4.2"])
def test_a_record_names_its_step(step_id: str) -> None:
    """The id of the step is found in the id of its record."""
    assert step_of_failed_try(failed_try_id(step_id, 3, 12)) == step_id


def test_the_latest_failed_try_counts() -> None:
    """Of a step's records the newest is shown: in the pause with the time of the next try."""
    created = [failed(1, 2, 3_000), failed(1, 1, 2_000, over=True), begun(1, 1_500)]

    seen = body(created, NEXT_TRY_AT - 1)

    assert (seen["phase"], seen["tries"]) == ("retrying", 2)
    assert seen["last_error"] == {"type": "OSError", "message": "try 2", "step": "step-1"}
    assert seen["next_try_at"] == rfc3339(NEXT_TRY_AT)
    assert "next_try_at" not in body(created, NEXT_TRY_AT)
    assert body(created, NEXT_TRY_AT)["phase"] == "retrying"


def test_a_step_that_has_ended_is_not_retried() -> None:
    """Records of steps that have ended say nothing of what follows."""
    created = [begun(2, 9_600), failed(1, 1, 2_000, over=True), begun(1, 1_500, 9_500)]

    assert failed_tries(created) == {}
    assert body(created, 9_700)["phase"] == "running"
    assert open_step(created) == "step-2"


def test_a_record_in_its_pause_stands_for_its_step() -> None:
    """In the pause the step has not ended, so its own promise need not have been read."""
    assert open_step([failed(1, 12, 8_000)]) == "step-1"
    assert open_step([failed(1, 12, 8_000, over=True)]) is None
    assert open_step([failed(1, 12, 8_000, over=True), begun(1, 1_000)]) == "step-1"


def test_tries_of_an_earlier_claim_do_not_count() -> None:
    """The worker that goes on counts from one again, also while the old pause lasts."""
    marker = part("attempt.2", 4_000, worker="w2", attempt=2, tags={tag.CLAIM: SECOND})
    created = [marker, failed(1, 2, 3_000), begun(1, 1_500)]

    assert body(created, 5_000)["phase"] == "running"
    assert open_step([marker, failed(1, 2, 3_000)]) is None
    again = [failed(1, 1, 5_000, claim=SECOND), *created]
    assert body(again, 6_000)["tries"] == 1


def test_the_step_that_failed_last_is_shown() -> None:
    """Of two steps at the same time, and each step in the list has its own tries."""
    created = [
        failed(2, 1, 4_000),
        failed(1, 3, 3_000),
        begun(3, 2_500),
        begun(2, 2_000),
        begun(1, 1_500),
    ]

    assert body(created, 5_000)["last_error"]["step"] == "step-2"
    tries = [found.failed_try and found.failed_try.tries for found in steps_of(created)]
    assert tries == [3, 1, None]


def test_nobody_tries_again_without_a_worker() -> None:
    """While the execution recovers there is no next try; what failed is shown all the same."""
    created = [failed(1, 2, 3_000), begun(1, 1_500)]

    lost = body(created, 5_000, recovering=True)

    assert (lost["phase"], lost["tries"]) == ("recovering", 2)
    assert "next_try_at" not in lost
    assert "tries" not in body(created, 5_000, resumable=True)


def test_what_is_no_failure_of_ours_is_shown_as_text() -> None:
    """A record that another program has written is a failed try as well."""
    odd = replace(failed(1, 1, 2_000), tags={tag.FAILED_TRY: "boom", tag.CLAIM: FIRST})

    assert failed_tries([odd]) == {"job-1.1": FailedTry(1, Failure("Error", "boom"), NEXT_TRY_AT)}


def test_each_record_is_an_event() -> None:
    """A record is one event, whenever it is read, and no state or step of its own."""
    live = [begun(1, 1_500), failed(1, 1, 2_000)]
    later = [begun(1, 1_500, 9_500), failed(1, 1, 2_000, over=True)]

    events = [
        [event for event in timeline(root(), parts) if event.key[0] == 2_000]
        for parts in (live, later)
    ]

    assert events[0] == events[1]
    ((event,), _) = events
    assert (event.key, event.name) == ((2_000, 2, 1), "retrying")
    assert msgspec.json.decode(msgspec.json.encode(event.data)) == {
        "step": "step-1",
        "worker": "worker-1",
        "tries": 1,
        "last_error": {"type": "OSError", "message": "try 1", "step": "step-1"},
        "next_try_at": rfc3339(NEXT_TRY_AT),
        "at": rfc3339(2_000),
    }

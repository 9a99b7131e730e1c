"""The events of an execution, from histories made by hand."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from gateway.model.representation import rfc3339
from gateway.model.timeline import LAST, id_of_key, key_of_id, timeline
from shared.resonate import tags as tag
from tests.support.gateway.histories import LIMIT, part, plain, root, sleep, step

if TYPE_CHECKING:
    from gateway.model.timeline import Event

QUEUED = {"status": "pending", "phase": "queued", "at": rfc3339(1_000)}


def running(at: int, worker: str = "worker-1", **also: Any) -> dict[str, Any]:
    """Return the data of the state event `running`."""
    state = {"status": "pending", "phase": "running", "worker": worker, "attempt": 1}
    return {**state, "at": rfc3339(at), **also}


def shown(event: Event) -> tuple[str, str, dict[str, Any]]:
    """Return an event with the id that clients see."""
    return id_of_key(event.key), event.name, data_of(event)


def data_of(event: Event) -> dict[str, Any]:
    """Return an event's data as clients read it."""
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event.data))
    return data


def step_data(status: str, started: int, ended: int | None, worker: str = "worker-1") -> Any:
    """Return the data of a step event."""
    return {
        "name": "s",
        "status": status,
        "worker": worker,
        "started": rfc3339(started),
        "ended": None if ended is None else rfc3339(ended),
    }


def test_a_short_life_is_published_whole() -> None:
    """Queued, running with the first step, the step's start and end, and the outcome last."""
    *begun, done = timeline(root(ended=1_300), [step(1, 1_100, 1_200)])

    assert [shown(event) for event in begun] == [
        ("1000-0-0", "state", QUEUED),
        ("1100-1-0", "state", running(1_100)),
        ("1100-1-1", "step", step_data("pending", 1_100, None)),
        ("1200-1-2", "step", step_data("resolved", 1_100, 1_200)),
    ]
    assert (id_of_key(done.key), done.name) == (f"1300-{LAST}-0", "done")
    assert data_of(done) == {
        "promise_id": "job-1",
        "status": "resolved",
        "done": True,
        "result": 7,
        "completed_at": rfc3339(1_300),
    }


def test_one_that_is_to_start_later_says_when() -> None:
    """The first state of a delayed execution is scheduled, also when it runs already."""
    first = timeline(root(starts_at=5_000), [step(1, 5_100)])[0]

    assert data_of(first) == {**QUEUED, "phase": "scheduled", "starts_at": rfc3339(5_000)}


def test_the_first_state_has_the_version() -> None:
    """The version does not change, so only the first state names it; unknown, it is left out."""
    first, second, *_ = timeline(replace(root(), version=3), [step(1, 1_100)])

    assert data_of(first) == {**QUEUED, "version": 3}
    assert data_of(second) == running(1_100)


@pytest.mark.parametrize("name", ["sleep", "approval"])
def test_waiting_and_going_on_are_states(name: str) -> None:
    """The begin of a wait is the state waiting, and its end is the state running."""
    waits = (
        sleep(1, 1_100, 1_900)
        if name == "sleep"
        else part("signal.approval", 1_100, 1_900, tags={tag.SIGNAL: "approval"})
    )

    _, begun, ended = timeline(root(), [waits])

    waiting_for = [{"name": name, "since": rfc3339(1_100)}]
    assert data_of(begun) == running(1_100, phase="waiting", waiting_for=waiting_for)
    assert (ended.name, ended.key) == ("state", (1_900, 1, 2))
    assert data_of(ended) == {"status": "pending", "phase": "running", "at": rfc3339(1_900)}


def test_progress_is_published_report_by_report() -> None:
    """Each report is one event, at its creation."""
    reports = [part(n, 1_000 + n, 1_500, tags={tag.PROGRESS: f"{n}/2"}) for n in (1, 2)]

    events = [e for e in timeline(root(), reports) if e.name == "progress"]

    assert [(e.key, data_of(e)["done"], data_of(e)["total"]) for e in events] == [
        ((1_001, 1, 1), 1, 2),
        ((1_002, 2, 1), 2, 2),
    ]


def test_a_recovery_is_a_state() -> None:
    """The record of a recovery names both workers; the step that was open ends with the new one."""
    marker = part("attempt.2", 3_000, worker="worker-2", attempt=2, recovered_from="worker-1")
    later = part(
        2, 4_200, worker="worker-2", attempt=2, recovered_from="worker-1", tags={tag.STEP: "s"}
    )

    events = timeline(root(), [step(1, 1_100, 4_100), marker, later])

    assert [shown(event) for event in events[3:]] == [
        (
            "3000-2-0",
            "state",
            running(3_000, "worker-2", attempt=2, recovered_from="worker-1"),
        ),
        ("4100-1-2", "step", step_data("resolved", 1_100, 4_100, "worker-2")),
        ("4200-3-1", "step", step_data("pending", 4_200, None, "worker-2")),
    ]


@pytest.mark.parametrize("end", [4_000, LIMIT])
def test_what_the_server_does_later_is_dropped(end: int) -> None:
    """A step that was open at the end has no end, whether the server timed it out meanwhile."""
    status = "timedout" if end == LIMIT else "canceled"
    still_open = step(1, 1_100)
    timed_out = replace(still_open, state="REJECTED_TIMEDOUT", completed_on=LIMIT)
    late = step(2, end + 1)

    told_early = timeline(root(ended=end, status=status), [still_open])

    assert timeline(root(ended=end, status=status), [timed_out, late]) == told_early
    assert [event.name for event in told_early] == ["state", "state", "step", "done"]


def test_a_sleep_that_was_over_is_over() -> None:
    """A sleep whose time came before the execution's end has ended, even if stored later."""
    canceled = root(ended=4_000, status="canceled")

    assert timeline(canceled, [sleep(1, 1_100, 3_999, over=False)]) == timeline(
        canceled, [sleep(1, 1_100, 3_999)]
    )
    assert len(timeline(canceled, [sleep(1, 1_100, 3_999)])) == 4
    assert timeline(canceled, [sleep(1, 1_100, 4_000)]) == timeline(
        canceled, [sleep(1, 1_100, 4_000, over=False)]
    )


def test_nothing_ends_before_it_begins() -> None:
    """With a worker's clock behind the server's, no sleep ends before it begins."""
    _, begun, ended = timeline(root(), [sleep(1, 1_100, 1_050)])

    assert (data_of(begun)["phase"], ended.key) == ("waiting", (1_100, 1, 2))


def test_things_of_one_millisecond_keep_their_order() -> None:
    """At equal times the SDK's numbers decide, as numbers, and an end goes before what follows."""
    steps = [step(n, 1_100, 1_100) for n in (1, 2, 10)]

    keys = {
        tuple(e.key for e in timeline(root(ended=1_100), order)) for order in permutations(steps)
    }

    assert keys == {
        (
            (1_000, 0, 0),
            (1_100, 1, 0),
            *((1_100, position, phase) for position in (1, 2, 3) for phase in (1, 2)),
            (1_100, LAST, 0),
        )
    }


def test_the_order_of_reading_is_no_matter() -> None:
    """However the parts are shuffled, the events are the same, and their keys grow."""
    parts = [step(n, 1_000 + n // 3, 1_001 + n // 3) for n in range(1, 60)]
    events = timeline(root(ended=2_000), parts)

    for seed in range(20):
        random.Random(seed).shuffle(parts)
        assert plain(timeline(root(ended=2_000), parts)) == plain(events)
    keys = [event.key for event in events]
    assert keys == sorted(set(keys))


def test_an_id_is_a_key() -> None:
    """An id from a client gives the key that it was made of."""
    assert key_of_id(id_of_key((1_795_530_272_004, LAST, 0))) == (1_795_530_272_004, LAST, 0)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1-2", "1-2-", "1-2-3-4", "a-1-0", "-1-1-0", "1-1-10", "\u0661-1-0", "1-1-0\n"],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    """Anything else than three numbers is no event's id."""
    with pytest.raises(ValueError, match="an event's id is like"):
        key_of_id(text)


def test_numbers_in_names_are_numbers() -> None:
    """Of signals of one moment the second comes before the tenth."""
    names = ["signal.next", "signal.next.2", "signal.next.10"]
    waits = [part(name, 1_100, tags={tag.SIGNAL: name}) for name in names]

    waiting = [data_of(event)["waiting_for"] for event in timeline(root(), waits[::-1])[1:]]

    assert [each[0]["name"] for each in waiting] == names

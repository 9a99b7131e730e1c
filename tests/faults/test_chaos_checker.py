"""What the judge of long chaos finds, on histories made by hand."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.chaos.containers import WORKERS
from tests.support.chaos.jobs import job, logged_step, name_steps
from tests.support.chaos.nemesis import Fault
from tests.support.chaos.summary import summary
from tests.support.faults.checker import check, fits

if TYPE_CHECKING:
    from tests.support.faults.checker import Event

BEGIN: Event = {"kind": "begin", "id": "a", "at": 0.0, "status": 202, "created": True}
AGAIN: Event = {**BEGIN, "created": False}
EVENTS = [["1", "state x"], ["2", "done y"]]


def read(at: float, asked: float, *, done: bool = True, waited: int = 0, **body: Any) -> Event:
    """Make an answer of /wait about an execution that ended at 10 s."""
    end = {"ended_at": 10.0, "result": {"n": 1}, "status": "resolved"} if done else {}
    said = {"status": "pending", "done": done, **end, **body}
    return {"kind": "read", "id": "a", "at": at, "asked": asked, "waited": waited, "body": said}


def stream(seen: list[list[str]], whole: list[list[str]] = EVENTS) -> Event:
    """Make what a client got of the events, and what there is."""
    return {"kind": "stream", "id": "a", "at": 12.0, "seen": seen, "whole": whole}


def signal(*, first: bool) -> Event:
    """Make an answer of /signal."""
    return {"kind": "signal", "id": "a", "at": 1.0, "first": first}


def started(at: float, id: str = "a") -> Event:
    """Make a log line of a step's start."""
    return {"kind": "step", "id": id, "at": at, "step": "part", "worker": "worker-1"}


END = read(10.1, 9.0)
FAULT: Event = {"kind": "fault", "at": 8.0, "until": 12.0, "over": 9.0, "what": "x"}
CHILD = {"name": "part", "status": "resolved", "execution": "a.1", "ended_at": 5.0}


@pytest.mark.parametrize(
    "history",
    [
        [BEGIN, AGAIN, END],
        [BEGIN, END, read(10.9, 10.0, done=False)],
        [BEGIN, END, read(30.0, 11.0, done=False)],
        [BEGIN, read(14.9, 1.0, waited=20)],
        [BEGIN, FAULT, read(28.0, 8.0, waited=20)],
        [BEGIN, read(25.0, 24.9, waited=20)],
        [BEGIN, read(9.0, 1.0, waited=20, done=False), END],
        [BEGIN, signal(first=True), signal(first=False), END],
        [BEGIN, END, stream(EVENTS)],
        [BEGIN | {"expected": {"n": 1}}, END],
        [{"kind": "unknown", "id": "b", "at": 1.0}],
        [BEGIN, END, started(1.0), started(6.0, "a.1"), read(10.1, 9.0, steps=[CHILD])],
    ],
)
def test_a_history_that_keeps_every_promise(history: list[Event]) -> None:
    """Repeats, states that are a second old, and late answers beside faults are no faults."""
    assert check(history).faults == []


@pytest.mark.parametrize(
    ("history", "fault"),
    [
        ([BEGIN, BEGIN, END], "a was created 2 times"),
        ([BEGIN, END, {"kind": "unknown", "id": "a", "at": 1.0}], "a was accepted and is unknown"),
        ([BEGIN, END, read(30.0, 11.2, done=False)], "a went back to pending"),
        ([BEGIN, read(15.2, 1.0, waited=20)], "a: a poll was answered 5.2 s after the end"),
        (
            [BEGIN, read(20.0, 1.0, waited=20, done=False), read(21.0, 20.0)],
            "a: a poll was answered 10.0 s after the end",
        ),
        (
            [BEGIN, FAULT, read(33.0, 13.0, waited=20)],
            "a: a poll was answered 20.0 s after the end",
        ),
        (
            [BEGIN, signal(first=True), signal(first=True), END],
            "a: one signal was delivered 2 times",
        ),
        (
            [BEGIN, END, stream(EVENTS[:1])],
            "a: its events differ; missed [['2', 'done y']], only then [], 1 and 2 in all",
        ),
        (
            [BEGIN, END, stream([*EVENTS, EVENTS[1]])],
            "a: its events differ; missed [], only then [], 3 and 2 in all",
        ),
        (
            [BEGIN | {"expected": {"n": 2}}, END],
            "a has the result {'n': 1}, not {'n': 2}",
        ),
        ([BEGIN, END, {"kind": "odd", "at": 1.0, "what": "a 500"}], "a 500"),
        (
            [
                BEGIN,
                FAULT | {"worker": "*"},
                read(10.1, 9.0, steps=[CHILD]),
                started(1.0, "a.1"),
                started(9.0, "a.1"),
            ],
            "a.1: part began again after it had finished",
        ),
    ],
)
def test_a_history_that_breaks_a_promise(history: list[Event], fault: str) -> None:
    """Each broken promise is found and named."""
    assert check(history).faults == [fault]


def test_times_are_measured_from_what_was_done() -> None:
    """A delay is what neither the execution nor a fault took, and a begin has its first request."""
    within: Event = {"kind": "fault", "at": 8.2, "until": 8.6, "what": "x"}
    later: Event = {"kind": "fault", "at": 9.5, "until": 12.0, "what": "x"}
    first = BEGIN | {"own": 0.5, "at": 4.0, "since": 1.0}
    verdict = check([first, later, within, FAULT, END])

    # From 4 to 10 s, of which faults took 8 to 9 s and 9.5 to 10 s.
    assert verdict.longest_delay == 4.0
    assert verdict.longest_begin == 3.0


@pytest.mark.parametrize(
    ("value", "expected", "is_so"),
    [
        (1, None, True),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"b": 1}, {"a": None}, False),
        (None, {"a": 1}, False),
        ([{"a": 1, "b": 2}], [{"a": 1}], True),
        ([1, 2], [1], False),
        ([2, 1], [1, 2], False),
    ],
)
def test_what_is_expected_of_a_result(value: object, expected: object, *, is_so: bool) -> None:
    """Keys that nobody named may have any value; all else must be equal."""
    assert fits(value, expected) is is_so


def test_steps_of_one_name_are_told_apart() -> None:
    """A countdown's by the number that is said, a fanout's by the child, as logs name them."""
    steps = [{"name": "say", "started": "10"}, {"name": "say", "started": "11"}]
    name_steps({"function": "countdown", "input": {"from": 3}, "steps": steps})
    parts = [{"name": "part", "started": "11"}, {"name": "part", "started": "10"}]
    name_steps({"function": "fanout", "promise_id": "a", "steps": parts})

    assert [step["name"] for step in steps] == ["say 3", "say 2"]
    assert [step["execution"] for step in parts] == ["a.2", "a.1"]
    assert logged_step({"event": "counting", "step": "say", "number": 3}) == "say 3"
    assert logged_step({"event": "step started", "step": "say"}) is None
    assert logged_step({"event": "step started", "step": "pack"}) == "pack"


def test_whose_claims_a_fault_can_end() -> None:
    """A worker's own, unless it misses a gateway only; all where none reaches the server."""
    worker = WORKERS[0]
    assert Fault("kill", worker).loses == {"worker": worker}
    assert Fault("cut", worker, "haproxy").loses == {"worker": worker}
    assert Fault("cut", worker, "gateway").loses == {}
    assert Fault("cut", "gateway", "resonate").loses == {}
    assert Fault("kill", "resonate", role="active").loses == {"worker": "*"}
    assert Fault("kill", "resonate", role="spare").loses == {}


def test_jobs_are_the_same_for_a_seed() -> None:
    """All functions that ship are begun, the same ones each time."""
    chance, again = Random(1), Random(1)
    jobs = [job(f"c-{n}", chance) for n in range(60)]

    assert jobs == [job(f"c-{n}", again) for n in range(60)]
    assert {each.function for each in jobs} == {
        *("approval", "checkout", "countdown", "fanout", "foo")
    }


def test_the_summary_names_what_was_found() -> None:
    """Counts, and of many faults the first."""
    lost = [{**BEGIN, "id": f"a{n}"} for n in range(30)]
    said = summary(check([FAULT, *lost]))

    assert "30 accepted, 0 ended with the right result" in said
    assert "    1 x" in said
    assert "a0 was accepted and never ended\n" in said
    assert said.endswith("and 10 more")

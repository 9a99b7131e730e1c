"""Functions that wait, for a person or for time: no worker holds them meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack


def until_waiting(stack: Stack, id: str) -> dict[str, Any]:
    """Return the state once the execution waits for something."""

    def state() -> dict[str, Any] | None:
        found = stack.state(id)
        return found if found.get("phase") == "waiting" else None

    found = wait_until(state, what="waiting")
    assert found is not None
    return found


@pytest.mark.parametrize("value", [{"ok": True}, "no", False, None, 0, {"__error__": "x"}, [1.5]])
def test_a_signal_is_the_answer(stack: Stack, job: str, value: object) -> None:
    """A signal's value of any type arrives unchanged."""
    stack.begin(job, "approval", {"question": "Ship it?", "within": "30s"})
    waiting = until_waiting(stack, job)

    # Without a body the value is null.
    answer = stack.signal(job, value)

    assert [entry["name"] for entry in waiting["waiting_for"]] == ["approval"]
    assert answer.status == 202
    ended = stack.outcome(job)
    assert (ended["result"], ended["attempt"]) == ({"answered": True, "answer": value}, 1)


@pytest.mark.parametrize("within", ["60s", "0s"])
def test_an_early_signal_is_kept(stack: Stack, job: str, within: str) -> None:
    """A signal that comes before the function waits for it, or starts at all, is not lost."""
    call(f"{stack.url}/begin?id={job}&function=approval&delay=1s", "POST", {"within": within})
    assert stack.signal(job, "early").status == 202

    assert stack.outcome(job)["result"] == {"answered": True, "answer": "early"}


@pytest.mark.parametrize("within", ["1s", "0s"])
def test_nobody_answers(stack: Stack, job: str, within: str) -> None:
    """Past its deadline the function goes on without an answer; a signal after that is a 409."""
    stack.begin(job, "approval", {"within": within})

    assert stack.outcome(job)["result"] == {"answered": False, "answer": None}
    late = stack.signal(job, "late")
    assert (late.status, late.body["type"]) == (409, "/problems/signal-conflict")


def test_a_signal_is_known_after_the_end(stack: Stack, job: str) -> None:
    """The last value again is a 200 after the end; another is a 409 and changes nothing."""
    stack.begin(job, "approval", {"within": "30s"})
    first = stack.signal(job, {"b": 2, "a": 1.0})
    ended = stack.outcome(job)

    assert first.status == 202
    assert ended["result"]["answer"] == {"a": 1, "b": 2}
    assert stack.signal(job, {"a": 1, "b": 2}).status == 200
    assert stack.signal(job, 3).status == 409
    assert stack.signal(job, 3, "other").status == 409


def test_a_signal_for_nobody(stack: Stack, job: str) -> None:
    """An unknown id is a 404, an invalid name a 400, and GET a 405."""
    assert stack.signal(job, 1).status == 404
    assert stack.signal(job, 1, "a.b").status == 400
    assert call(f"{stack.url}/signal?id={job}&name=approval").status == 405


def test_waiting_survives_every_worker(own_stack: Stack, job: str) -> None:
    """All workers die while it waits; the signal is answered by a new one, as the same attempt."""
    own_stack.begin(job, "approval", {"within": "60s"})
    until_waiting(own_stack, job)
    own_stack.suspended(job)
    for worker in own_stack.workers.values():
        worker.kill()
    assert own_stack.signal(job, "yes").status == 202

    own_stack.add_worker("new")

    ended = own_stack.outcome(job)
    assert (ended["result"]["answer"], ended["attempt"]) == ("yes", 1)


def test_a_sleep_holds_no_worker(own_stack: Stack, job: str) -> None:
    """Far more executions than slots sleep at the same time, and report how far they are."""
    jobs = [f"{job}-{n}" for n in range(120)]
    began = time.monotonic()
    for id in jobs:
        own_stack.begin(id, "countdown", {"from": 2, "every": 2})
    waiting = until_waiting(own_stack, jobs[-1])

    ended = [own_stack.outcome(id, 40) for id in jobs]

    assert waiting["progress"] in (
        {"done": 1, "total": 2, "step": None},
        {"done": 2, "total": 2, "step": None},
    )
    assert [entry["name"] for entry in waiting["waiting_for"]] == ["sleep"]
    assert {(state["result"], state["attempt"]) for state in ended} == {("liftoff", 1)}
    assert time.monotonic() - began < 30
    for id in jobs:
        assert [step for _, step in own_stack.starts(id)] == ["say", "say"]


def test_a_worker_dies_between_sleeps(own_stack: Stack, job: str) -> None:
    """Numbers that were counted are not counted again after a crash."""
    own_stack.begin(job, "countdown", {"from": 4, "every": 0.7})
    wait_until(lambda: len(own_stack.starts(job)) == 2, what="the second number")
    own_stack.workers[own_stack.starts(job)[-1][0]].kill()

    assert own_stack.outcome(job)["result"] == "liftoff"
    assert len(own_stack.starts(job)) in {4, 5}


def test_a_signal_in_the_very_moment(stack: Stack, job: str) -> None:
    """A signal that comes while the execution is being suspended for it is not lost either."""
    ids = [f"{job}-{n}" for n in range(300)]

    def ask_and_answer(id: str) -> None:
        stack.begin(id, "approval", {"within": "60s"})
        wait_until(lambda: stack.state(id, steps=True).get("worker"), what="its first step")
        stack.signal(id, "yes")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask_and_answer, ids))

    assert {stack.outcome(id, 10)["status"] for id in ids} == {"resolved"}


def test_a_signal_that_broke_off_is_delivered(stack: Stack, job: str) -> None:
    """A signal that a gateway has stored but not finished counts as delivered."""
    with stack.store() as store:
        call(f"{stack.url}/begin?id={job}&function=approval&delay=1s", "POST", {"within": "2s"})
        value = orjson.dumps('"yes"').decode()
        far = int((time.time() + 3600) * 1000)
        left = f"{job}.signal.approval"
        store.promises.create(
            left, far, ikey=left, data=value, tags={"signal": "approval", "request": "lost"}
        )

        assert stack.outcome(job)["result"] == {"answered": True, "answer": "yes"}
    assert stack.signal(job, "yes").status == 200
    assert stack.signal(job, "no").status == 409

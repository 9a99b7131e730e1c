"""Executions from begin to end, on the real server, gateway and workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support.catalog import CHECKOUT
from tests.support.processes import call

if TYPE_CHECKING:
    from tests.support.stack import Stack


def test_foo_is_processed(stack: Stack, job: str) -> None:
    """A begun `foo` resolves with its input and a time."""
    begun = stack.begin(job, body={"foo": "hello"})

    assert begun.status == 202
    assert begun.body["promise"] == job
    assert begun.body["status"] == "pending"
    assert begun.body["wait"] == f"/wait?id={job}"
    ended = stack.outcome(job)
    assert (ended["status"], ended["promise_id"]) == ("resolved", job)
    assert ended["result"]["result"] == 'Processed: {"foo": "hello"}'
    assert isinstance(ended["result"]["timestamp"], float)


def test_an_empty_body_is_the_default_input(stack: Stack, job: str) -> None:
    """Without a body `foo` gets its default input."""
    stack.begin(job)

    assert stack.outcome(job)["result"]["result"] == 'Processed: {"foo": "bar"}'


def test_a_replay_after_the_end_answers_with_the_result(stack: Stack, job: str) -> None:
    """The same request again runs nothing and is answered with the stored result."""
    stack.begin(job, body={"n": 1})
    ended = stack.outcome(job)

    replay = stack.begin(job, body={"n": 1})

    assert replay.status == 200
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert replay.body["created"] is False
    assert replay.body["result"] == ended["result"]
    assert len(stack.starts(job)) == 1


def test_checkout_runs_its_steps_in_order(stack: Stack, job: str) -> None:
    """Every step of a checkout runs once, in order, with its own idempotency key."""
    stack.begin(job, "checkout", {"pace": 0.01})

    ended = stack.outcome(job)
    assert ended["result"] == {
        "order": job,
        "receipts": {step: f"{step}-{job}.{n}" for n, step in enumerate(CHECKOUT, 1)},
    }
    assert [step for _, step in stack.starts(job)] == CHECKOUT
    assert [(step["name"], step["status"]) for step in ended["steps"]] == [
        (step, "resolved") for step in CHECKOUT
    ]
    assert (ended["attempt"], "recovered_from" in ended) == (1, False)


def test_checkout_takes_back_what_it_did(stack: Stack, job: str) -> None:
    """A step that fails for good ends the checkout; earlier steps are taken back in reverse."""
    stack.begin(job, "checkout", {"pace": 0.01, "fail": "pack"})

    ended = stack.outcome(job)
    assert ended["status"] == "rejected"
    assert ended["error"] == {
        "type": "Declined",
        "message": "pack was declined",
        "step": "pack",
        "attempts": 1,
    }
    assert [step for _, step in stack.starts(job)] == [
        *("reserve", "charge", "pack"),
        *("refund", "release"),
    ]


def test_a_function_that_raises_is_rejected(stack: Stack, job: str) -> None:
    """A function that raises ends rejected with the error's type, and the worker goes on."""
    # The gateway would refuse this input, so it is stored without asking it.
    stack.create(job, "approval", {"within": "PTDM"})

    ended = stack.outcome(job)
    assert (ended["status"], ended["error"]["type"]) == ("rejected", "ValueError")
    assert stack.begin(f"{job}-probe").status == 202
    assert stack.outcome(f"{job}-probe")["status"] == "resolved"


def test_an_unknown_id_is_unknown(stack: Stack, job: str) -> None:
    """An id that the server does not know is a 404."""
    answer = call(f"{stack.url}/wait?id={job}")

    assert (answer.status, answer.body["type"]) == (404, "/problems/unknown-id")


def test_a_burst_loses_nothing(own_stack: Stack, job: str) -> None:
    """500 begins at once on a cold stack are all accepted, and every one resolves."""
    ids = [f"{job}-{n}" for n in range(500)]

    with ThreadPoolExecutor(64) as pool:
        begun = list(pool.map(own_stack.begin, ids))
        ended = list(pool.map(lambda id: own_stack.outcome(id, seconds=60), ids))

    assert {answer.status for answer in begun} == {202}
    assert {state["status"] for state in ended} == {"resolved"}

"""Executions that begin others, and wait for them."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from shared.resonate.codec import decode_rejection, decode_result, encode_call
from tests.support.flows import deploy, result
from tests.support.processes import call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resonate.models.durable_promise import DurablePromise

    from tests.support.stack import Stack


FLOWS: Final = """
from durable_http import Context, Step, StepFailed, Workflow, function


@function(private=True)
def double(step: Step, number: int) -> int:
    return 2 * number


@function
def parent(context: Context, given: object = None) -> Workflow:
    seen = [(yield context.call(double, 2))]
    try:
        yield context.call(double, "two")
    except StepFailed as error:
        seen.append(error.type)
    try:
        yield context.call("none-such")
    except ValueError as error:
        seen.append(str(error))
    return seen
"""
"""A parent that begins children wrongly."""


@pytest.fixture(name="odd", scope="module")
def _odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("odd"), workers=0) as stack:
        stack.add_worker("odd", "tests.support.worker.odd")
        yield stack


def parent(stack: Stack, id: str, *children: list[Any]) -> DurablePromise:
    """Run the function `parent` with these children to its end."""
    data = encode_call("parent", 1, orjson.dumps(children).decode())
    tags = {"resonate:invoke": "poll://any@worker", "resonate:scope": "global"}
    with stack.store() as store:
        store.promises.create(id, int((time.time() + 60) * 1000), ikey=id, data=data, tags=tags)
        wait_until(lambda: not store.promises.get(id).pending, seconds=20, what="the parent's end")
        return store.promises.get(id)


def outcomes(stack: Stack, id: str, *children: list[Any]) -> Any:
    """Return the result of the function `parent`: the outcome of each child."""
    return orjson.loads(decode_result(parent(stack, id, *children).value.data))


def test_parts_are_spread_over_the_workers(stack: Stack, job: str) -> None:
    """Every part runs once, on more than one worker, and the parent has all results in order."""
    stack.begin(job, "fanout", {"parts": 30, "pace": 0.2})

    ended = stack.outcome(job, 30)

    parts = ended["result"]["parts"]
    assert [part["number"] for part in parts] == list(range(1, 31))
    assert len({part["worker"] for part in parts}) == 3
    begun = stack.parts_begun(job)
    assert (len(begun), len({child for _, child in begun})) == (30, 30)


def test_what_it_waits_for_is_shown(stack: Stack, job: str) -> None:
    """While children run the parent is waiting, for each that is pending; they are its steps."""
    stack.begin(job, "fanout", {"parts": 3, "pace": 1})

    def waiting() -> dict[str, Any] | None:
        state = stack.state(job, steps=True)
        return state if len(state["steps"]) == 3 and state["phase"] == "waiting" else None

    state = wait_until(waiting, what="three children")
    assert state is not None
    assert [entry["name"] for entry in state["waiting_for"]] == ["part"] * 3
    assert [(s["name"], s["status"], s["worker"]) for s in state["steps"]] == [
        ("part", "pending", None)
    ] * 3
    ended = stack.outcome(job)
    assert [step["status"] for step in ended["steps"]] == ["resolved"] * 3


def test_children_are_not_listed(stack: Stack, job: str) -> None:
    """Children are not listed."""
    stack.begin(job, "fanout", {"parts": 2, "pace": 0})
    stack.outcome(job)

    listed = call(f"{stack.url}/list?prefix={job}").body["items"]
    assert [item["id"] for item in listed] == [job]


def test_more_children_than_lanes(own_stack: Stack, job: str) -> None:
    """A parent that waits holds no slot, so even one slot runs a parent and all its children."""
    for worker in own_stack.workers.values():
        worker.kill()
    own_stack.add_worker("narrow", WORKER_CONCURRENCY="1")
    own_stack.begin(job, "fanout", {"parts": 40, "pace": 0})

    assert len(own_stack.outcome(job, 60)["result"]["parts"]) == 40


@pytest.mark.parametrize("whose", ["parent", "child"])
def test_a_worker_dies(own_stack: Stack, job: str, whose: str) -> None:
    """Killed with the parent, or with children, on it: what had ended is not done again."""
    own_stack.begin(job, "fanout", {"parts": 60, "pace": 0.3})
    begun = wait_until(lambda: own_stack.parts_begun(job), what="a part")
    victim = own_stack.state(job)["worker"] if whose == "parent" else begun[0][0]

    own_stack.workers[victim].kill()

    parts = own_stack.outcome(job, 40)["result"]["parts"]
    assert [part["number"] for part in parts] == list(range(1, 61))
    starts = Counter(child for _, child in own_stack.parts_begun(job))
    repeated = {child for child, count in starts.items() if count > 1}
    on_victim = {child for worker, child in own_stack.parts_begun(job) if worker == victim}
    assert len(starts) == 60
    assert repeated <= on_victim
    assert len(repeated) <= 16


def test_canceling_the_parent_cancels_its_children(stack: Stack, job: str) -> None:
    """No child starts after the cancel, those that wait are canceled, and workers go on."""
    stack.begin(job, "fanout", {"parts": 100, "pace": 1})
    wait_until(lambda: len(stack.parts_begun(job)) >= 10, what="ten parts")

    assert call(f"{stack.url}/cancel?id={job}", "POST").status == 200

    with stack.store() as store:
        tags = {"kind": "child"}
        left = store.promises.search(f"{job}.*", tags, state="pending")[0]
        assert left == []
    begun = len(stack.parts_begun(job))
    stack.begin(f"{job}-probe")
    stack.outcome(f"{job}-probe", 5)
    stack.begin(f"{job}-slow", "checkout", {"pace": 0.3})
    stack.outcome(f"{job}-slow")
    assert len(stack.parts_begun(job)) <= begun + 1
    assert all(worker.running() for worker in stack.workers.values())


def test_a_child_may_fail(odd: Stack, job: str) -> None:
    """The parent gets the child's own failure, and can go on."""
    failing = {"pace": 0, "fail": "ship"}

    assert outcomes(
        odd,
        job,
        ["checkout", failing],
        ["countdown", {"from": 3, "every": 60}, 1.0],
        ["countdown", {"from": 3, "every": 60}, 0],
        ["part", {"number": 7}],
    ) == [
        ["Declined", "ship was declined"],
        ["TimedOut", "the signal or the child did not come in time"],
        ["TimedOut", "the signal or the child did not come in time"],
        {"number": 7, "worker": "odd"},
    ]


def test_a_function_that_is_none_cannot_be_begun(odd: Stack, job: str) -> None:
    """A child of an unknown function rejects the parent."""
    failure = decode_rejection(parent(odd, job, ["nothing", 1]).value.data)

    assert failure.type == "ValueError"
    assert failure.message.startswith("there is no function nothing; known are approval, ")


@pytest.mark.parametrize("well", [True, False])
def test_an_execution_ends_after_what_it_began(odd: Stack, job: str, well: bool) -> None:  # noqa: FBT001 - a parameter
    """An execution ends after the children and steps that it does not wait for."""
    odd.create(job, "careless", well)

    with odd.store() as store:
        wait_until(lambda: not store.promises.get(job).pending, what="the end")
        ended, below = store.promises.get(job), store.promises.search(f"{job}.*", {})[0]

    assert ended.state == ("RESOLVED" if well else "REJECTED")
    states = {part.id.removeprefix(job): part.state for part in below}
    assert states[".1"] == states[".3"] == "RESOLVED"
    assert states[".2"] == "REJECTED"
    assert max(part.completed_on or 2**63 for part in below) <= (ended.completed_on or 0)


def test_a_canceled_child_is_a_failure(odd: Stack, job: str) -> None:
    """When only the child is canceled, the parent gets a failure and goes on."""
    with ThreadPoolExecutor(1) as pool, odd.store() as store:
        ending = pool.submit(outcomes, odd, job, ["approval", {"within": "60s"}])
        wait_until(
            lambda: store.promises.search(f"{job}.*", {"kind": "child"})[0], what="the child"
        )
        store.promises.cancel(f"{job}.1", ikey="x")

        assert ending.result() == [["Canceled", "the child was canceled"]]


def test_inputs_and_results_are_what_they_are(odd: Stack, job: str) -> None:
    """Inputs and results of children are passed unchanged, whatever keys they have."""
    values = [{"__error__": "x"}, {"py/reduce": [1]}, None, "text", [1.5, 2**53 + 1], {"a": []}]

    results = outcomes(odd, job, *[["foo", value] for value in values])

    said = [orjson.loads(result["result"].removeprefix("Processed: ")) for result in results]
    assert said == values


def test_children_may_have_children(odd: Stack, job: str) -> None:
    """A child that is a parent itself is waited for like any other."""
    result = outcomes(odd, job, ["fanout", {"parts": 2, "pace": 0}])

    assert [part["number"] for part in result[0]["parts"]] == [1, 2]


def test_a_parent_catches_what_is_wrong_with_a_child(
    bare_stack: Stack, tmp_path: Path, job: str
) -> None:
    """An input that does not fit is `InvalidInput`, an unknown name a `ValueError`."""
    deploy(bare_stack, "flows", tmp_path, FLOWS)
    bare_stack.create(job, "parent")

    assert result(bare_stack, job) == [
        4,
        "InvalidInput",
        "there is no function none-such; known are double, parent",
    ]

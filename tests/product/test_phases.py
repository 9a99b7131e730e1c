"""The phase of an execution while workers come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from shared.resonate.codec import decode_result
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

ODD = "tests.support.worker.odd"


def until(stack: Stack, id: str, phase: str, **also: object) -> dict[str, Any]:
    """Wait until the execution has the phase and the other values; return its state."""
    seen: dict[str, Any] = {}

    def there() -> bool:
        seen.clear()
        seen.update(stack.state(id))
        return {"phase": phase, **also}.items() <= seen.items()

    try:
        wait_until(there, what=f"{phase} {also}")
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {seen}") from None
    return dict(seen)


def kill_all(stack: Stack) -> None:
    """Kill the workers that run."""
    for worker in stack.workers.values():
        if worker.running():
            worker.kill()


def stays(stack: Stack, id: str) -> None:
    """Check that the state of an execution that no worker runs does not change."""
    states = [stack.state(id) for _ in range(20)]
    assert all(state == states[0] for state in states), states


def test_a_crash(bare_stack: Stack, job: str) -> None:
    """Queued until a worker comes, running with it, recovering without it, running with another."""
    bare_stack.begin(job, "checkout", {"pace": 1.5})
    until(bare_stack, job, "queued")
    bare_stack.add_worker("first")
    until(bare_stack, job, "running", worker="first", attempt=1)
    # Between its steps as well as in them, and while a step takes longer than what is asked about.
    assert {bare_stack.state(job)["phase"] for _ in range(300)} == {"running"}

    kill_all(bare_stack)

    lost = until(bare_stack, job, "recovering", worker="first", attempt=1)
    assert "recovered_from" not in lost
    stays(bare_stack, job)
    bare_stack.add_worker("second")
    until(bare_stack, job, "running", worker="second", attempt=2, recovered_from="first")
    assert bare_stack.outcome(job)["attempt"] == 2


def test_a_signal(bare_stack: Stack, job: str) -> None:
    """Waiting until the signal is there, and queued from then until a worker goes on."""
    bare_stack.add_worker("first")
    bare_stack.begin(job, "approval", {"within": "60s"})
    until(bare_stack, job, "waiting", attempt=1)
    bare_stack.suspended(job)
    kill_all(bare_stack)
    assert bare_stack.state(job)["phase"] == "waiting"

    bare_stack.signal(job, "yes")

    assert bare_stack.state(job)["phase"] == "queued"
    assert "waiting_for" not in bare_stack.state(job)
    bare_stack.add_worker("second")
    assert bare_stack.outcome(job)["attempt"] == 1


def test_a_sleep(bare_stack: Stack, job: str) -> None:
    """Waiting until the time is over, and queued from then until a worker goes on."""
    bare_stack.add_worker("first")
    bare_stack.begin(job, "countdown", {"from": 2, "every": 2})
    until(bare_stack, job, "waiting", worker="first")
    bare_stack.suspended(job)
    kill_all(bare_stack)

    state = until(bare_stack, job, "queued")

    assert state["progress"] == {"done": 1, "total": 2, "step": None}
    stays(bare_stack, job)
    bare_stack.add_worker("second")
    ended = bare_stack.outcome(job)
    assert (ended["result"], ended["attempt"]) == ("liftoff", 1)


def test_a_list(bare_stack: Stack, job: str) -> None:
    """A list shows the same phases, workers and attempts as /wait."""
    bare_stack.add_worker("first", WORKER_CONCURRENCY="1")
    bare_stack.begin(f"{job}-waits", "approval", {"within": "60s"})
    until(bare_stack, f"{job}-waits", "waiting")
    bare_stack.begin(f"{job}-runs", "checkout", {"pace": 30})
    until(bare_stack, f"{job}-runs", "running")
    # A step of which nothing is stored is no loss.
    wait_until(lambda: bare_stack.state(f"{job}-runs", steps=True)["steps"], what="its record")
    bare_stack.begin(f"{job}-queues", "checkout")

    def rows() -> dict[str, tuple[str, str, int]]:
        items = call(f"{bare_stack.url}/list?prefix={job}").body["items"]
        return {row["id"]: (row["phase"], row["worker"], row["attempt"]) for row in items}

    assert rows() == {
        f"{job}-queues": ("queued", None, None),
        f"{job}-runs": ("running", "first", 1),
        f"{job}-waits": ("waiting", "first", 1),
    }
    kill_all(bare_stack)
    wait_until(lambda: rows()[f"{job}-runs"] == ("recovering", "first", 1), what="the loss")


def test_children(bare_stack: Stack, job: str) -> None:
    """Waiting for each child that is pending, and queued when the last one that was has ended."""
    first = bare_stack.add_worker("first", WORKER_CONCURRENCY="1")
    bare_stack.begin(job, "fanout", {"parts": 30, "pace": 0.3})
    until(bare_stack, job, "waiting")
    # While its one slot does a part it holds nothing else, so the parent is suspended.
    parts = len(first.events("step started", step="part"))
    wait_until(lambda: len(first.events("step started", step="part")) > parts, what="a part")
    kill_all(bare_stack)
    with bare_stack.store() as store:
        pending = store.promises.search(f"{job}.*", {"kind": "child"}, state="pending")[0]
        assert len(bare_stack.state(job)["waiting_for"]) == len(pending) > 10
        for child in pending:
            store.promises.resolve(child.id, ikey=child.id, data=orjson.dumps("{}").decode())

    until(bare_stack, job, "queued")
    bare_stack.add_worker("second")
    assert len(bare_stack.outcome(job)["result"]["parts"]) == 30


def test_a_crash_while_children_are_begun(bare_stack: Stack, job: str) -> None:
    """Recovering, though there are open children; then each child exists and runs once."""
    bare_stack.add_worker("first", WORKER_CONCURRENCY="1")
    bare_stack.begin(job, "fanout", {"parts": 80, "pace": 0})
    with bare_stack.store() as store:
        wait_until(lambda: store.promises.search(f"{job}.*", {"kind": "child"})[0], what="a child")
        kill_all(bare_stack)
        lost = until(bare_stack, job, "recovering", worker="first", attempt=1)
        # Not before: a write that was running may have come after the kill.
        begun = len(store.promises.search(f"{job}.*", {"kind": "child"})[0])

    assert 0 < len(lost["waiting_for"]) == begun < 80
    for name in ("second", "third"):
        bare_stack.add_worker(name)
    ended = bare_stack.outcome(job, 30)

    assert ended["attempt"] == 2
    assert [part["number"] for part in ended["result"]["parts"]] == list(range(1, 81))
    done = [child for _, child in bare_stack.parts_begun(job)]
    assert (len(done), len(set(done))) == (80, 80)


def test_what_runs_beside_each_other(bare_stack: Stack, job: str) -> None:
    """Two steps and a child run at the same time, and the phase is running."""
    bare_stack.add_worker("odd", ODD)
    bare_stack.create(job, "beside", 1.0)

    def all_begun() -> list[dict[str, Any]] | None:
        begun: list[dict[str, Any]] = bare_stack.state(job, steps=True)["steps"]
        return begun if len(begun) == 3 else None

    steps = wait_until(all_begun, what="two steps and a child")
    state = until(bare_stack, job, "running", worker="odd")

    assert steps is not None
    assert "waiting_for" not in state
    assert [(step["name"], step["status"]) for step in steps] == [
        ("left", "pending"),
        ("right", "pending"),
        ("part", "pending"),
    ]
    with bare_stack.store() as store:
        wait_until(lambda: not store.promises.get(job).pending, what="the end")
        times, failed, part = orjson.loads(decode_result(store.promises.get(job).value.data))
    assert (failed, part) == ("right", 1)
    ended = bare_stack.state(job, steps=True)["steps"]
    assert [step["status"] for step in ended] == ["resolved", "rejected", "resolved", "resolved"]
    assert times[0] < times[1]
    left, right = ended[:2]
    assert left["started"] < right["ended"]
    assert right["started"] < left["ended"]
    assert bare_stack.starts(job)[-1][1] == "after"


def test_steps_beside_each_other_survive_a_crash(bare_stack: Stack, job: str) -> None:
    """Steps that had not ended run again on another worker; a child is not begun again."""
    bare_stack.add_worker("first", ODD)
    bare_stack.create(job, "beside", 1.5)
    wait_until(lambda: len(bare_stack.starts(f"{job}.3")) == 1, what="the child")
    kill_all(bare_stack)
    until(bare_stack, job, "recovering")
    bare_stack.add_worker("second", ODD)

    state = bare_stack.outcome(job)

    assert (state["status"], state["attempt"]) == ("resolved", 2)
    *beside, after = [step for worker, step in bare_stack.starts(job) if worker == "second"]
    assert (sorted(beside), after) == (["left", "right"], "after")
    with bare_stack.store() as store:
        assert len(store.promises.search(f"{job}.*", {"kind": "child"})[0]) == 1

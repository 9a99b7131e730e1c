"""The phase of an execution, and whether a worker still holds its task."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gateway.backend.recovery import QUIET_MILLISECONDS
from shared.ids import attempt_id
from shared.resonate import tags as tag
from shared.resonate.tasks import TaskState
from tests.support.gateway.client import until
from tests.support.gateway.played_worker import create_children, create_part

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


PID: Final = "a-test"


async def phase_of(gateway: Gateway, id: str) -> str:
    """Return the phase of an execution that has not ended."""
    answer = await gateway.wait(id)
    assert answer.status == 200, answer
    return str(answer.body["phase"])


async def until_phase(gateway: Gateway, id: str, phase: str) -> None:
    """Read the execution until it has the phase."""
    end = time.monotonic() + 10
    while (seen := await phase_of(gateway, id)) != phase:
        assert time.monotonic() < end, f"it is {seen}, not {phase}"
        await asyncio.sleep(0.05)


async def test_every_pending_child_is_waited_for(gateway: Gateway, store: Store, job: str) -> None:
    """All of many pending children are listed, those older than a recovery too."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(create_children, store, job, [f"{n}" for n in range(30)])
    marks = {tag.RECOVERED_FROM: "w1", tag.ATTEMPT: "2", tag.REPORTED: "3/30"}
    await asyncio.to_thread(create_part, store, job, attempt_id(job, 2), "w2", **marks)
    for number in (3, 17, 29):
        await asyncio.to_thread(store.promises.resolve, f"{job}.{number}", data="x")

    state = (await gateway.wait(job)).body

    assert (state["phase"], state["attempt"]) == ("waiting", 2)
    assert state["progress"] == {"done": 3, "total": 30, "step": None}
    assert [entry["name"] for entry in state["waiting_for"]] == ["part"] * 27
    for number in range(30):
        await asyncio.to_thread(store.promises.resolve, f"{job}.{number}", data="x")
    assert await phase_of(gateway, job) == "queued"


async def test_what_follows_does_not_hide_what_is_open(
    gateway: Gateway, store: Store, job: str
) -> None:
    """A pending step is shown as running, however many later steps have ended."""
    await gateway.begin(job, 1)
    marks = {tag.REPORTED: "1/2"}
    await asyncio.to_thread(create_part, store, job, f"{job}.1", "w1", step="long", **marks)
    for number in range(2, 20):
        id = f"{job}.{number}"
        await asyncio.to_thread(create_part, store, job, id, "w1", step="short", **marks)
        await asyncio.to_thread(store.promises.resolve, id, data="1")

    state = (await gateway.wait(job)).body

    assert state["phase"] == "running"
    assert state["progress"] == {"done": 1, "total": 2, "step": "long"}


async def test_a_step_runs_while_a_worker_holds_the_task(
    gateway: Gateway, store: Store, job: str
) -> None:
    """With an open step the phase is running while a worker holds the task, else recovering."""
    await gateway.begin(job, 1)
    task = f"__invoke:{job}"
    await asyncio.to_thread(store.tasks.claim_raw, task, 1, PID, 60_000)
    step = await asyncio.to_thread(
        create_part, store, job, f"{job}.1", "w1", step="work", claim=f"{task}/1"
    )
    # From then on the gateway asks.
    await until(lambda: time.time() * 1000 > step.created_on + QUIET_MILLISECONDS)
    assert await phase_of(gateway, job) == "running"

    await asyncio.to_thread(store.tasks.drop, task, 1)
    await until_phase(gateway, job, "recovering")
    await asyncio.to_thread(store.tasks.claim_raw, task, 2, PID, 60_000)
    await until_phase(gateway, job, "running")

    # A task is over while its execution is pending: it was suspended, and has yet to be resumed.
    await asyncio.to_thread(store.promises.resolve, f"{job}.1", data="1")
    await asyncio.to_thread(store.tasks.complete, task, 2)
    await until_phase(gateway, job, "queued")


async def test_waiting_is_being_let_go(gateway: Gateway, store: Store, job: str) -> None:
    """With open children the phase is recovering if the worker was lost before it suspended."""
    await gateway.begin(job, 1)
    task = f"__invoke:{job}"
    await asyncio.to_thread(store.tasks.claim_raw, task, 1, PID, 60_000)
    marks = {tag.KIND: tag.CHILD, tag.FUNCTION: "part", tag.CLAIM: f"{task}/1"}
    child = await asyncio.to_thread(create_part, store, job, f"{job}.1", "w1", **marks)
    # From then on the gateway asks.
    await until(lambda: time.time() * 1000 > child.created_on + QUIET_MILLISECONDS)
    assert await phase_of(gateway, job) == "waiting"

    await asyncio.to_thread(store.tasks.drop, task, 1)
    await until_phase(gateway, job, "recovering")
    assert len((await gateway.wait(job)).body["waiting_for"]) == 1
    await asyncio.to_thread(store.tasks.claim_raw, task, 2, PID, 60_000)
    await asyncio.to_thread(store.tasks.complete, task, 2)
    await until_phase(gateway, job, "waiting")


async def test_looking_at_a_task_changes_nothing(gateway: Gateway, store: Store, job: str) -> None:
    """Reading the state of a task does not claim it, in any state."""
    await gateway.begin(job, 1)
    task = f"__invoke:{job}"

    assert await asyncio.to_thread(store.tasks.state, f"{task}-x") is TaskState.UNKNOWN
    for _ in range(2):
        assert await asyncio.to_thread(store.tasks.state, task) is TaskState.FREE
    await asyncio.to_thread(store.tasks.claim_raw, task, 1, PID, 60_000)
    assert await asyncio.to_thread(store.tasks.state, task) is TaskState.HELD
    await asyncio.to_thread(store.tasks.complete, task, 1)
    assert await asyncio.to_thread(store.tasks.state, task) is TaskState.OVER

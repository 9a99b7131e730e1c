"""What clients see of an execution that no worker can go on with, with a store that plays one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from gateway.backend.recovery import QUIET_MILLISECONDS
from shared.resonate import tags as tag
from shared.resonate.store import PAGE
from tests.support.gateway.client import until
from tests.support.gateway.played_worker import (
    BLOCKED,
    begin_step,
    begin_wait,
    block,
    create_children,
    create_part,
    end_step,
    resolve,
    unblock,
)
from tests.support.gateway.streams import streaming

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway

PID: Final = "a-test"
SHOWN: Final = {**BLOCKED, "worker": "worker-2"}


async def state_of(gateway: Gateway, id: str) -> dict[str, Any]:
    """Return the state of an execution that has not ended."""
    answer = await gateway.wait(id)
    assert answer.status == 200, answer
    return dict(answer.body)


async def until_state(
    gateway: Gateway, id: str, holds: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    """Read the execution until its state is as wanted."""
    end = time.monotonic() + 10
    while not holds(state := await state_of(gateway, id)):
        assert time.monotonic() < end, state
        await asyncio.sleep(0.05)
    return state


async def test_a_block_is_seen_from_its_begin_to_its_end(
    gateway: Gateway, store: Store, job: str
) -> None:
    """In /wait, /list and /events: the reason while it lasts, and that a worker goes on."""
    await gateway.begin(job, 1)
    async with streaming(gateway, job) as stream:
        await asyncio.to_thread(begin_step, store, job, 1)
        await asyncio.to_thread(end_step, store, job, 1)
        await asyncio.to_thread(block, store, job)
        state = await until_state(gateway, job, lambda seen: seen["phase"] == "blocked")
        await stream.has(5)
        (row,) = (await gateway.ask("GET", f"/list?prefix={job}")).body["items"]
        await asyncio.to_thread(unblock, store, job)
        running = await until_state(gateway, job, lambda seen: seen["phase"] == "running")
        await stream.has(6)
        await resolve(store, job)
        await stream.ended()

    assert (state["blocked"], state["worker"], state["version"]) == (SHOWN, "worker-2", 1)
    assert (row["phase"], row["worker"]) == ("blocked", "worker-2")
    assert "blocked" not in running
    assert [(name, data.get("phase"), data.get("blocked")) for _, name, data in stream.content] == [
        ("state", "queued", None),
        ("state", "running", None),
        ("step", None, None),
        ("step", None, None),
        ("state", "blocked", SHOWN),
        ("state", "running", None),
        ("done", None, None),
    ]


async def test_a_block_before_any_worker_ran_it(gateway: Gateway, store: Store, job: str) -> None:
    """An execution of a version that no worker knows is blocked, and can be canceled."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(block, store, job)

    assert (await state_of(gateway, job))["blocked"] == SHOWN
    canceled = await gateway.ask("POST", f"/cancel?id={job}")
    assert (canceled.status, canceled.body["status"]) == (200, "canceled")
    ended = (await gateway.wait(job, "steps")).body
    assert not {"phase", "blocked"} & ended.keys()


async def test_the_task_of_a_blocked_execution_says_nothing(
    gateway: Gateway, store: Store, job: str
) -> None:
    """Whether a worker holds the task or has let it go for a moment, the phase is blocked."""
    await gateway.begin(job, 1)
    task = f"__invoke:{job}"
    await asyncio.to_thread(store.tasks.claim_raw, task, 1, PID, 60_000)
    await asyncio.to_thread(begin_wait, store, job, 1, "go", claim=f"{task}/1")
    await asyncio.to_thread(block, store, job, claim=f"{task}/1")
    record = await asyncio.to_thread(store.promises.get, f"{job}.blocked.1")
    # From then on the gateway would ask for the state of the task.
    quiet_at = record.created_on + QUIET_MILLISECONDS
    await until(lambda: time.time() * 1000 > quiet_at)
    changes = (
        lambda: None,
        lambda: store.tasks.drop(task, 1),
        lambda: store.tasks.claim_raw(task, 2, PID, 60_000),
        lambda: store.tasks.complete(task, 2),
    )
    for change in changes:
        await asyncio.to_thread(change)
        read_at = time.monotonic()
        # What was read before the change may be answered for a second.
        while time.monotonic() - read_at < 1.2:
            state = await state_of(gateway, job)
            assert (state["phase"], state["blocked"]) == ("blocked", SHOWN)
            await asyncio.sleep(0.1)

    await asyncio.to_thread(unblock, store, job)
    state = await until_state(gateway, job, lambda seen: "blocked" not in seen)
    assert (state["phase"], state["worker"]) == ("waiting", "worker-1")
    assert [each["name"] for each in state["waiting_for"]] == ["go"]


async def test_a_signal_comes_while_it_is_blocked(gateway: Gateway, store: Store, job: str) -> None:
    """The signal that a blocked execution waits for is taken, and the execution stays blocked."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(begin_wait, store, job, 1, "go")
    await asyncio.to_thread(block, store, job)
    assert [each["name"] for each in (await state_of(gateway, job))["waiting_for"]] == ["go"]

    async with streaming(gateway, job) as stream:
        await stream.has(3)
        assert (await gateway.ask("POST", f"/signal?id={job}&name=go")).status == 202
        state = await until_state(gateway, job, lambda seen: "waiting_for" not in seen)
        assert state["phase"] == "blocked"
        await asyncio.to_thread(unblock, store, job)
        await stream.has(4)

    phases = [(data["phase"], "waiting_for" in data) for _, _, data in stream.content]
    assert phases == [("queued", False), ("waiting", True), ("blocked", True), ("running", False)]


async def test_waits_in_order_are_waits(gateway: Gateway, store: Store, job: str) -> None:
    """The second wait for a name is shown as the first one was, in /wait and /events."""
    await gateway.begin(job, 1)
    async with streaming(gateway, job) as stream:
        for k in (1, 2):
            await asyncio.to_thread(begin_wait, store, job, k, "next", k)
            state = await until_state(gateway, job, lambda seen: seen["phase"] == "waiting")
            assert [each["name"] for each in state["waiting_for"]] == ["next"]
            id = f"{job}.signal.next" + (".2" if k == 2 else "")
            await asyncio.to_thread(store.promises.resolve, id, data='"1"')
            await until_state(gateway, job, lambda seen: seen["phase"] == "queued")
        await stream.has(5)

    phases = [data["phase"] for _, _, data in stream.content]
    assert phases == ["queued", "waiting", "running", "waiting", "running"]
    assert (await gateway.wait(job, "steps")).body["steps"] == []


async def test_many_records_hide_no_child(gateway: Gateway, store: Store, job: str) -> None:
    """A child that is older than a page of records, which stay pending, is still waited for."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(create_children, store, job, ["1"])

    def record() -> None:
        for n in range(2, PAGE + 12):
            create_part(store, job, f"{job}.{n}", "w1", **{tag.AWAITS: "next", tag.NUMBER: f"{n}"})

    await asyncio.to_thread(record)
    waiting = await state_of(gateway, job)
    await asyncio.to_thread(begin_step, store, job, PAGE + 12)
    await asyncio.to_thread(block, store, job)
    blocked = await until_state(gateway, job, lambda seen: seen["phase"] == "blocked")

    assert (waiting["phase"], blocked["phase"]) == ("waiting", "blocked")
    for state in (waiting, blocked):
        assert [each["name"] for each in state["waiting_for"]] == ["part"]

"""GET /wait?include=…: an execution with its input and its steps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared.ids import attempt_id
from shared.resonate import tags as tag
from shared.resonate.codec import Failure
from tests.support.gateway.played_worker import create_part
from tests.support.gateway.wait_bodies import pending, shown

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


@pytest.mark.parametrize("include", ["input", "input,", "input,input", "%69nput"])
async def test_the_input_is_included_when_asked_for(
    gateway: Gateway, store: Store, job: str, include: str
) -> None:
    """`include=input` adds the input to an answer that is otherwise the same."""
    await gateway.begin(job, {"n": [1, None]})
    promise = await asyncio.to_thread(store.promises.get, job)

    answer = await gateway.wait(job, include)

    assert answer.body == pending(promise, input={"n": [1, None]})


@pytest.mark.parametrize("include", ["", ","])
async def test_nothing_is_included_when_nothing_is_named(
    gateway: Gateway, store: Store, job: str, include: str
) -> None:
    """An `include` that names nothing adds nothing."""
    await gateway.begin(job)
    promise = await asyncio.to_thread(store.promises.get, job)

    answer = await gateway.ask("GET", f"/wait?id={job}&include={include}")

    assert answer.body == pending(promise)


async def test_a_null_input_is_included(gateway: Gateway, job: str) -> None:
    """An input of null is shown as null and not left out."""
    await gateway.begin(job, None)

    body = (await gateway.wait(job, "input")).body
    assert ("input" in body, body["input"]) == (True, None)


async def test_no_steps_are_an_empty_list(gateway: Gateway, store: Store, job: str) -> None:
    """`include=steps` of an execution that has none adds an empty list."""
    await gateway.begin(job, 1)
    promise = await asyncio.to_thread(store.promises.get, job)

    answer = await gateway.wait(job, "steps", "input")

    assert answer.body == pending(promise, input=1, steps=[])


async def test_steps_are_listed_in_their_order(gateway: Gateway, store: Store, job: str) -> None:
    """Each step has name, status, worker and times, and a running one has no end."""
    await gateway.begin(job, 1)

    def work() -> tuple[DurablePromise, DurablePromise, DurablePromise]:
        create_part(store, job, f"{job}.1", "worker-1", **{tag.STEP: "reserve"})
        first = store.promises.resolve(f"{job}.1", data="1")
        create_part(store, job, f"{job}.2", "worker-1", **{tag.STEP: "charge"})
        second = store.promises.reject(f"{job}.2", data=Failure("Declined", "").rejection())
        third = create_part(store, job, f"{job}.3", "worker-1", **{tag.STEP: "refund"})
        return first, second, third

    first, second, third = await asyncio.to_thread(work)
    promise = await asyncio.to_thread(store.promises.get, job)
    answer = await gateway.wait(job, "steps")

    steps = [
        {
            "name": name,
            "status": status,
            "worker": "worker-1",
            "started": shown(step.created_on),
            "ended": shown(step.completed_on) if step.completed_on else None,
        }
        for name, status, step in (
            ("reserve", "resolved", first),
            ("charge", "rejected", second),
            ("refund", "pending", third),
        )
    ]
    assert answer.body == pending(promise, worker="worker-1", attempt=1, steps=steps)
    bare = await gateway.wait(job)
    assert bare.body == pending(promise, worker="worker-1", attempt=1)


async def test_who_took_over_is_shown(gateway: Gateway, store: Store, job: str) -> None:
    """After a recovery the answer names both workers, and the open step has the new one."""
    await gateway.begin(job, 1)
    taken = {tag.ATTEMPT: "2", tag.RECOVERED_FROM: "worker-1"}

    def work() -> DurablePromise:
        step = create_part(store, job, f"{job}.1", "worker-1", **{tag.STEP: "reserve"})
        create_part(store, job, attempt_id(job, 2), "worker-2", **taken)
        return step

    step = await asyncio.to_thread(work)
    promise = await asyncio.to_thread(store.promises.get, job)
    answer = await gateway.wait(job, "steps")

    assert answer.body == pending(
        promise,
        worker="worker-2",
        attempt=2,
        recovered_from="worker-1",
        steps=[
            {
                "name": "reserve",
                "status": "pending",
                "worker": "worker-2",
                "started": shown(step.created_on),
                "ended": None,
            }
        ],
    )


async def test_a_similar_id_lends_no_steps(gateway: Gateway, store: Store, job: str) -> None:
    """`_` stands for itself: the steps of an id that differs there are not shown."""
    mine, other = f"{job}_a", f"{job}-a"
    for id in (mine, other):
        await gateway.begin(id, 1)
    step = {tag.STEP: "reserve"}
    await asyncio.to_thread(create_part, store, other, f"{other}.1", "worker-1", **step)

    body = (await gateway.wait(mine, "steps")).body

    assert (body["steps"], "worker" in body) == ([], False)


async def test_many_steps_are_all_listed(gateway: Gateway, store: Store, job: str) -> None:
    """More steps than one page of the server's are listed whole and in order."""
    await gateway.begin(job, 1)

    def work() -> None:
        for n in range(1, 251):
            create_part(store, job, f"{job}.{n}", "worker-1", **{tag.STEP: f"step-{n}"})

    await asyncio.to_thread(work)
    steps = (await gateway.wait(job, "steps")).body["steps"]

    assert [step["name"] for step in steps] == [f"step-{n}" for n in range(1, 251)]

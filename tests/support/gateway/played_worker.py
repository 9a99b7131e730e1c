"""Writes to the store what a worker would: ends, steps, children and records of attempts."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import orjson

from shared.ids import signal_id
from shared.resonate import tags as tag

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Store


def create_part(store: Store, execution: str, id: str, worker: str, **tags: str) -> DurablePromise:
    """Store what a worker's claim on an execution would: a step, or the record of an attempt."""
    marks = {tag.EXECUTION: execution, tag.WORKER: worker, tag.ATTEMPT: "1", **tags}
    return store.promises.create(id, int((time.time() + 60) * 1000), ikey=id, tags=marks)


RESULT = orjson.dumps('{"n":1}').decode()


async def resolve(store: Store, id: str) -> None:
    """End an execution as a worker does."""
    await asyncio.to_thread(store.promises.resolve, id, ikey=id, data=RESULT)


def begin_step(store: Store, job: str, n: int) -> None:
    """Begin a step as a worker does."""
    create_part(store, job, f"{job}.{n}", "worker-1", **{tag.STEP: f"step-{n}"})


def end_step(store: Store, job: str, n: int) -> None:
    """End a step as a worker does."""
    store.promises.resolve(f"{job}.{n}", ikey=f"{job}.{n}", data="1")


BLOCKED = {"expected": "step reserve", "found": "step quote", "version": 1}
"""What the record of a block says here."""


def block(store: Store, job: str, k: int = 1, worker: str = "worker-2", **tags: str) -> None:
    """Store the k-th record of a block, as a worker does that cannot go on."""
    says = {tag.BLOCKED: orjson.dumps(BLOCKED).decode()}
    create_part(store, job, f"{job}.blocked.{k}", worker, **says, **tags)


def unblock(store: Store, job: str, k: int = 1) -> None:
    """Resolve the record of a block, as the worker does that goes on."""
    store.promises.resolve(f"{job}.blocked.{k}", ikey=f"{job}.blocked.{k}")


def begin_wait(  # noqa: PLR0913, PLR0917 - the parts of a wait
    store: Store,
    job: str,
    n: int,
    name: str,
    number: int = 1,
    seconds: float = 60,
    **tags: str,
) -> DurablePromise:
    """Wait for a signal's value of this number as a worker does; return the value's promise.

    The record of the wait is the n-th part.
    """
    marks = {tag.AWAITS: name, tag.NUMBER: str(number), **tags}
    create_part(store, job, f"{job}.{n}", "worker-1", **marks)
    return open_wait(store, job, name, number, seconds, **tags)


def open_wait(
    store: Store, job: str, name: str, number: int, seconds: float = 60, **tags: str
) -> DurablePromise:
    """Wait as `begin_wait` does, without a record of it."""
    id = signal_id(job, name, number)
    until = int((time.time() + seconds) * 1000)
    marks = {tag.EXECUTION: job, tag.WORKER: "worker-1", tag.ATTEMPT: "1", **tags}
    marks |= {tag.SIGNAL: name, tag.NUMBER: str(number)}
    return store.promises.create(id, until, ikey=id, tags=marks)


def create_children(store: Store, parent: str, names: list[str]) -> None:
    """Store children as a worker does; a name may lead through other children."""

    def create(name: str) -> None:
        id = f"{parent}.{name}"
        above, own = id.rpartition(".")[0], {tag.KIND: tag.CHILD, tag.FUNCTION: "part"}
        create_part(store, above, id, "w1", **{tag.ROOT: parent, **own})

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(create, names))


def pending_below(store: Store, id: str) -> int:
    """Return the number of open promises below an execution, up to a page of 100."""
    return len(store.promises.search(f"{id}.*", {tag.ROOT: id}, state="pending")[0])

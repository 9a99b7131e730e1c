"""GET /result, `raise=1` and ETags: answers for scripts and for clients that poll."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared.resonate.codec import Failure
from tests.support.gateway.played_worker import resolve

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


async def test_an_unchanged_answer_is_not_sent_again(gateway: Gateway, job: str) -> None:
    """An answer has an ETag; a client that sends it gets a 304 until the answer changes."""
    await gateway.begin(job, 1)
    pending = await gateway.wait(job)
    again = await gateway.ask(
        "GET", f"/wait?id={job}", None, {"If-None-Match": pending.headers["ETag"]}
    )
    await gateway.ask("POST", f"/cancel?id={job}")
    changed = await gateway.ask(
        "GET", f"/wait?id={job}", None, {"If-None-Match": pending.headers["ETag"]}
    )
    kept = await gateway.ask(
        "GET", f"/wait?id={job}", None, {"If-None-Match": changed.headers["ETag"]}
    )

    assert (again.status, again.body, changed.status, kept.status) == (304, None, 200, 304)
    assert pending.headers["Cache-Control"] == "no-store"
    assert changed.headers["Cache-Control"] == "private, max-age=86400"


@pytest.mark.parametrize("path", ["/wait?raise=1&id=", "/result?id="])
async def test_scripts_get_a_status(gateway: Gateway, store: Store, job: str, path: str) -> None:
    """With `raise=1`, and at /result, a failure is an error status with the execution's error."""
    await gateway.begin(job, 1)
    await gateway.begin(f"{job}-c", 1)
    failure = Failure("ValueError", "out of stock", "reserve", 2).rejection()
    await asyncio.to_thread(store.promises.reject, job, ikey=job, data=failure)
    await asyncio.to_thread(store.promises.cancel, f"{job}-c", ikey=job)

    rejected = await gateway.ask("GET", path + job)
    canceled = await gateway.ask("GET", f"{path}{job}-c")

    assert (rejected.status, rejected.body["type"]) == (500, "/problems/execution-rejected")
    assert (canceled.status, canceled.body["type"]) == (410, "/problems/execution-canceled")
    assert {rejected.headers["Error-Source"], canceled.headers["Error-Source"]} == {"workflow"}
    for answer, id in ((rejected, job), (canceled, f"{job}-c")):
        assert answer.body["error"] == (await gateway.wait(id)).body["error"]
    assert rejected.body["error"]["message"] == "out of stock"


async def test_the_bare_result(gateway: Gateway, store: Store, job: str) -> None:
    """/result is an empty 202 before the end and the result itself after it."""
    await gateway.begin(job, 1)
    early = await gateway.ask("GET", f"/result?id={job}")
    await resolve(store, job)
    late = await gateway.ask("GET", f"/result?id={job}")

    assert (early.status, early.body, early.headers["Retry-After"]) == (202, None, "1")
    assert (late.status, late.body) == (200, {"n": 1})

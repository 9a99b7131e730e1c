"""POST /cancel, row by row of the contract."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway


TYPE = {"Content-Type": "application/json"}


async def test_canceling_ends_it(gateway: Gateway, job: str) -> None:
    """A canceled execution is canceled for everybody, and canceling it again changes nothing."""
    await gateway.begin(job, 1)
    first = await gateway.ask("POST", f"/cancel?id={job}", b'{"reason": "changed my mind"}', TYPE)
    again = await gateway.ask("POST", f"/cancel?id={job}")

    assert (first.status, first.body["status"], first.body["done"]) == (200, "canceled", True)
    assert (again.status, again.body) == (200, first.body)
    assert (await gateway.wait(job)).body["status"] == "canceled"


async def test_what_has_ended_cannot_be_canceled(gateway: Gateway, store: Store, job: str) -> None:
    """Canceling an execution that ended otherwise is a 409 with its status, an unknown id 404."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(store.promises.resolve, job, ikey=job, data='"1"')

    answer = await gateway.ask("POST", f"/cancel?id={job}")
    unknown = await gateway.ask("POST", f"/cancel?id={job}-x")

    assert (answer.status, answer.body["type"]) == (409, "/problems/already-done")
    assert answer.body["execution_status"] == "resolved"
    assert (unknown.status, unknown.body["type"]) == (404, "/problems/unknown-id")


@pytest.mark.parametrize(
    "body", [b"1", b'{"reason": 1}', b'{"why": "x"}', b"{", b'{"reason": "' + b"x" * 1025 + b'"}']
)
async def test_what_is_no_reason_is_refused(offline: Gateway, body: bytes) -> None:
    """A body that is not a reason is a 400, and nothing is canceled."""
    answer = await offline.ask("POST", "/cancel?id=a", body, TYPE)

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")

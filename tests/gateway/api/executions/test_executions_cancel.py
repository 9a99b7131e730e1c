"""POST /cancel, row by row of the contract."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import orjson
import pytest

from tests.support.gateway.streams import streaming

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


LONG: Final = "\N{GRINNING FACE}" * 1024
REASONS: Final = {
    "a reason": (b'{"reason": "ordered twice"}', "ordered twice"),
    "none": (b"", None),
    "an empty one": (b'{"reason": ""}', ""),
    "a long one": (
        orjson.dumps({"reason": "\N{GRINNING FACE}" * 1024}),
        "\N{GRINNING FACE}" * 1024,
    ),
    "one that looks like ours": (b'{"reason": "{\\"__error__\\":1}"}', '{"__error__":1}'),
}


@pytest.mark.parametrize(("body", "reason"), REASONS.values(), ids=REASONS)
async def test_the_reason_is_shown_wherever_the_end_is(
    gateway: Gateway, job: str, body: bytes, reason: str | None
) -> None:
    """/cancel, /wait, /begin, /events and the problems have the error with the first reason."""
    await gateway.begin(job, 1)
    async with streaming(gateway, job) as live:
        first = await gateway.ask("POST", f"/cancel?id={job}", body, TYPE)
        await live.ended()
    again = await gateway.ask("POST", f"/cancel?id={job}", b'{"reason": "another"}', TYPE)
    read, replay = await gateway.wait(job), await gateway.begin(job, 1)
    raised = await gateway.ask("GET", f"/wait?id={job}&raise=1")

    expected = {"type": "Canceled", "message": "The execution was canceled."}
    if reason is not None:
        expected["reason"] = reason
    answers = [first, again, read, replay, raised]
    assert [answer.body["error"] for answer in answers] == [expected] * 5
    assert live.events[-1].data["error"] == expected


@pytest.mark.parametrize(
    "value", [None, "", "no json", "[]", '{"reason": 1}', '{"reason": null}', "1"]
)
async def test_what_another_program_cancels_is_canceled(
    gateway: Gateway, store: Store, job: str, value: str | None
) -> None:
    """A value that no gateway has written is no reason."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(store.promises.cancel, job, data=value)

    error = (await gateway.wait(job)).body["error"]
    assert error == {"type": "Canceled", "message": "The execution was canceled."}


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

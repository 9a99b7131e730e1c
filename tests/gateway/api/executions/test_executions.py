"""GET /wait, row by row of the contract."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from shared.ids import ID_GRAMMAR
from shared.resonate.codec import Failure, encode_call
from tests.support.gateway.answers import JSON, assert_problem
from tests.support.gateway.hostile import HOSTILE, short
from tests.support.gateway.wait_bodies import ended, pending
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway

UNKNOWN = "No execution has this id."


async def test_a_pending_execution_is_shown_whole(gateway: Gateway, store: Store, job: str) -> None:
    """A pending execution has its times and function, and says when to ask again."""
    await gateway.begin(job, 1)
    promise = await asyncio.to_thread(store.promises.get, job)

    answer = await gateway.wait(job)

    assert (answer.status, answer.body) == (200, pending(promise))
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Error-Source" not in answer.headers


@pytest.mark.parametrize(
    "result", ["null", "0", '""', "[]", '{"a":[1,2.5,"é"]}', "18446744073709551615"]
)
async def test_a_result_is_shown_as_it_was_returned(
    gateway: Gateway, store: Store, job: str, result: str
) -> None:
    """A resolved execution has its result, whatever JSON it is, and no advice to ask again."""
    await gateway.begin(job, 1)
    data = orjson.dumps(result).decode()
    promise = await asyncio.to_thread(store.promises.resolve, job, data=data)

    answer = await gateway.wait(job)

    assert answer.status == 200
    assert answer.body == ended(promise, "resolved", result=orjson.loads(result))
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (
            Failure("OutOfStock", "none left", "reserve", 3).rejection(),
            {"type": "OutOfStock", "message": "none left", "step": "reserve", "attempts": 3},
        ),
        (Failure("KeyError", "'é'").rejection(), {"type": "KeyError", "message": "'é'"}),
        ('"stopped by hand"', {"type": "Error", "message": "stopped by hand"}),
        ("no json", {"type": "Error", "message": "no json"}),
        (None, {"type": "Error", "message": "rejected without a reason"}),
    ],
)
async def test_an_error_is_shown_and_is_no_error_of_the_request(
    gateway: Gateway, store: Store, job: str, data: str | None, error: dict[str, Any]
) -> None:
    """Reading a rejected execution is a 200 with the error."""
    await gateway.begin(job, 1)
    promise = await asyncio.to_thread(store.promises.reject, job, data=data)

    answer = await gateway.wait(job)

    assert (answer.status, answer.body) == (200, ended(promise, "rejected", error=error))


CANCELED: Final = {"type": "Canceled", "message": "The execution was canceled."}
TIMED_OUT: Final = {
    "type": "TimedOut",
    "message": "The execution did not end within its timeout.",
}


async def test_a_canceled_execution_says_so(gateway: Gateway, store: Store, job: str) -> None:
    """A canceled execution is done, and its error says that it was canceled."""
    await gateway.begin(job, 1)
    promise = await asyncio.to_thread(store.promises.cancel, job)

    answer = await gateway.wait(job)

    assert (answer.status, answer.body) == (200, ended(promise, "canceled", error=CANCELED))
    assert (await gateway.begin(job, 1)).body["status"] == "canceled"


async def test_a_timed_out_execution_says_so(gateway: Gateway, store: Store, job: str) -> None:
    """An execution whose deadline has passed is done, and its error says so."""
    soon = int((time.time() + 0.2) * 1000)
    call = encode_call("foo", 1, "1")
    await asyncio.to_thread(store.promises.create, job, soon, ikey=job, data=call)

    def timed_out() -> DurablePromise | None:
        promise = store.promises.get(job)
        return promise if promise.state == "REJECTED_TIMEDOUT" else None

    promise = await asyncio.to_thread(wait_until, timed_out, what="the timeout")
    assert promise is not None
    answer = await gateway.wait(job)

    assert (answer.status, answer.body) == (200, ended(promise, "timedout", error=TIMED_OUT))
    assert (await gateway.ask("GET", f"/result?id={job}")).body["error"] == TIMED_OUT


async def test_an_end_is_never_taken_back(gateway: Gateway, store: Store, job: str) -> None:
    """Once an execution was read as finished, every later read and replay says the same."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(store.promises.resolve, job, data='"1"')
    first = await gateway.wait(job)
    await asyncio.to_thread(store.promises.reject, job, data=Failure("Late", "").rejection())

    answers = await asyncio.gather(*(gateway.wait(job) for _ in range(20)))

    assert all(answer.body == first.body for answer in answers)


async def test_an_unknown_id_is_a_problem(gateway: Gateway, job: str) -> None:
    """An id that the server does not know is a 404 that names it."""
    assert_problem(await gateway.wait(job), "unknown-id", "/wait", UNKNOWN, id=job)


async def test_reading_creates_nothing(gateway: Gateway, job: str) -> None:
    """An id stays unknown however often it was asked for, and can still be begun."""
    assert {(await gateway.wait(job)).status for _ in range(3)} == {404}

    assert (await gateway.begin(job)).body["created"] is True


@pytest.mark.parametrize("query", HOSTILE, ids=short)
async def test_a_hostile_id_is_refused_and_not_passed_on(offline: Gateway, query: str) -> None:
    """An id that breaks the grammar is answered 400 without a call to the server."""
    answer = await offline.ask("GET", f"/wait?{query}")

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request"), answer
    assert answer.headers["Error-Source"] == "gateway"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "The parameter id is missing."),
        ("?", "The parameter id is missing."),
        ("?include=input", "The parameter id is missing."),
        ("?id=a%2E1", f"The id must match {ID_GRAMMAR.pattern}."),
        ("?id=a&id=a", "The parameter 'id' is given more than once."),
        ("?id=a&include=input&include=steps", "The parameter 'include' is given more than once."),
        ("?id=a&function=foo", "Unknown parameter 'function'; known: id, include, wait, raise."),
        ("?id=a&Include=input", "Unknown parameter 'Include'; known: id, include, wait, raise."),
        ("?id=a&include=inputs", "include takes input, steps, comma-separated."),
        ("?id=a&include=input,all", "include takes input, steps, comma-separated."),
        ("?id=a&include=input%20steps", "include takes input, steps, comma-separated."),
        ("?id=a&include=INPUT", "include takes input, steps, comma-separated."),
    ],
)
async def test_a_bad_query_is_refused(offline: Gateway, query: str, detail: str) -> None:
    """A parameter that is missing, repeated, unknown or meaningless is a 400 that names it."""
    answer = await offline.ask("GET", f"/wait{query}")

    assert_problem(answer, "invalid-request", "/wait", detail)


async def test_many_readers_read_the_same(gateway: Gateway, job: str) -> None:
    """200 reads at once of one pending execution are all answered alike."""
    await gateway.begin(job, 1)

    answers = await asyncio.gather(*(gateway.wait(job) for _ in range(200)))

    assert {answer.status for answer in answers} == {200}
    assert all(answer.body == answers[0].body for answer in answers)


async def test_what_is_no_execution_is_unknown(gateway: Gateway, store: Store, job: str) -> None:
    """A promise that something else stored at the server is no execution of this service."""
    timeout = int((time.time() + 60) * 1000)
    await asyncio.to_thread(store.promises.create, job, timeout, data="theirs")

    assert_problem(
        await gateway.wait(job), "unknown-id", "/wait", "No execution has this id.", id=job
    )

"""POST /begin with an id that exists: the same request is a replay, any other is refused."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

import orjson
import pytest

from shared.catalog import Catalog, Function
from shared.resonate.codec import Failure
from tests.support.gateway.answers import assert_problem

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway


REUSED: Final = "This id already belongs to another function or another input."


async def test_the_default_and_the_same_sent_are_one(gateway: Gateway, job: str) -> None:
    """Sending the default input is a replay of sending no body."""
    await gateway.begin(job)

    assert (await gateway.begin(job, {"foo": "bar"})).body["created"] is False


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"a":1,"b":2}', b'{"b":2,"a":1}'),
        (b'{"a":[1,{"c":3,"b":2}]}', b'\n{ "a" : [ 1 , { "b":2, "c" :3 } ] }\t'),
        (b"1", b"1.0"),
        (b"[100]", b"[1e2]"),
        (b"0", b"-0.0"),
        (b'"\xc3\xa9"', b'"\\u00e9"'),
        (b'"/"', b'"\\/"'),
        (b'{"n":1}', b'{"n":1.0}'),
        (b"null", b" null "),
    ],
)
async def test_the_same_json_written_otherwise_is_a_replay(
    gateway: Gateway, job: str, first: bytes, second: bytes
) -> None:
    """Order of keys, spacing, escapes and 1 for 1.0 make no other request."""
    created = await gateway.begin(job, first)
    replay = await gateway.begin(job, second)

    assert (created.status, created.body["created"]) == (202, True)
    assert replay.status == 202
    assert replay.body == {**created.body, "created": False}
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert replay.headers["Retry-After"] == "1"
    assert await gateway.input_of(job) == orjson.loads(first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"a":1}', b'{"a":2}'),
        (b"[1,2]", b"[2,1]"),
        (b"1", b'"1"'),
        (b"1", b"true"),
        (b"0", b"false"),
        (b"0", b"null"),
        (b"{}", b"[]"),
        (b"{}", b""),
        (b'{"a":null}', b"{}"),
        (b'"\xc3\xa9"', b'"e\xcc\x81"'),
        (b"9007199254740993", b"9007199254740992"),
        (b"1.5", b"1"),
    ],
)
async def test_another_input_does_not_get_the_id(
    gateway: Gateway, job: str, first: bytes, second: bytes
) -> None:
    """The same id with another input is a 422 and leaves the first as it was."""
    created = await gateway.begin(job, first)
    before = await gateway.wait(job, "input")

    assert_problem(await gateway.begin(job, second), "id-reused", "/begin", REUSED, id=job)
    assert (await gateway.wait(job, "input")).body == before.body
    assert (await gateway.begin(job, first)).body == {**created.body, "created": False}


async def test_another_function_does_not_get_the_id(gateway: Gateway, job: str) -> None:
    """The same id and input with another function is a 422 and leaves the first as it was."""
    await gateway.begin(job, {"pace": 1})

    answer = await gateway.begin(job, {"pace": 1}, function="checkout")

    assert_problem(answer, "id-reused", "/begin", REUSED, id=job)
    assert (await gateway.wait(job)).body["function"] == "foo"


async def test_an_id_of_somebody_else_is_not_taken(
    gateway: Gateway, store: Store, job: str
) -> None:
    """An id that the server knows from elsewhere belongs to another request."""
    await asyncio.to_thread(store.promises.create, job, _in(60), data="theirs")

    assert_problem(await gateway.begin(job), "id-reused", "/begin", REUSED, id=job)


async def test_of_many_at_once_one_creates(gateway: Gateway, job: str) -> None:
    """Of 200 begins at once with one id exactly one is answered `created: true`."""
    answers = await asyncio.gather(*(gateway.begin(job, {"n": 1}) for _ in range(200)))

    assert {answer.status for answer in answers} == {202}
    created = [answer.body["created"] for answer in answers]
    assert (created.count(True), created.count(False)) == (1, 199)
    assert all((a.headers.get("Idempotent-Replayed") is None) == a.body["created"] for a in answers)
    assert len({answer.body["timeout_at"] for answer in answers}) == 1


async def test_of_many_inputs_at_once_one_wins(gateway: Gateway, job: str) -> None:
    """Of begins at once with one id and different inputs one creates and the rest are refused."""
    answers = await asyncio.gather(*(gateway.begin(job, n) for n in range(32)))

    assert sorted(answer.status for answer in answers) == [202, *[422] * 31]
    winner = next(n for n, answer in enumerate(answers) if answer.status == 202)
    assert await gateway.input_of(job) == winner


async def test_a_replay_after_a_result_has_it(gateway: Gateway, store: Store, job: str) -> None:
    """Once resolved, the same request is a 200 with the result as it was stored."""
    created = await gateway.begin(job, 1)
    result = '{"b": [1, 2.50, null], "a": "é"}'
    await asyncio.to_thread(store.promises.resolve, job, data=orjson.dumps(result).decode())

    replay = await gateway.begin(job, 1)

    assert replay.status == 200
    assert replay.body == {
        **created.body,
        "status": "resolved",
        "created": False,
        "done": True,
        "result": {"b": [1, 2.5, None], "a": "é"},
    }
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert replay.headers["Location"] == f"/wait?id={job}"
    assert "Retry-After" not in replay.headers


@pytest.mark.parametrize(
    "failure", [Failure("OutOfStock", "none left", "reserve", 3), Failure("Error", "")]
)
async def test_a_replay_after_a_failure_has_the_error(
    gateway: Gateway, store: Store, job: str, failure: Failure
) -> None:
    """Once rejected, the same request is a 200 with the error, unknown parts left out."""
    created = await gateway.begin(job, 1)
    await asyncio.to_thread(store.promises.reject, job, data=failure.rejection())

    replay = await gateway.begin(job, 1)

    assert replay.status == 200
    assert replay.body == {
        **created.body,
        "status": "rejected",
        "created": False,
        "done": True,
        "error": orjson.loads(failure.encode()),
    }


async def test_a_null_result_is_a_result(gateway: Gateway, store: Store, job: str) -> None:
    """An execution that resolved with null says `result: null`."""
    await gateway.begin(job)
    await asyncio.to_thread(store.promises.resolve, job, data='"null"')

    replay = await gateway.begin(job)

    assert (replay.status, replay.body["result"], "result" in replay.body) == (200, None, True)


async def test_another_input_is_refused_after_the_end(
    gateway: Gateway, store: Store, job: str
) -> None:
    """A finished execution gives neither its id nor its result to another input."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(store.promises.resolve, job, data='"1"')

    assert_problem(await gateway.begin(job, 2), "id-reused", "/begin", REUSED, id=job)


STRICT: Final = Catalog.of(
    Function("foo", 2, "Takes texts only.", input_schema={"type": "string"}, default_input=""),
    default="foo",
)
"""The catalog of a later release, which takes less and lacks all other functions."""


@pytest.fixture(name="later")
async def _later(settings: GatewaySettings, start_gateway: StartGateway) -> Gateway:
    """Return a gateway of a later release, at the same server."""
    return await start_gateway(settings, catalog=STRICT)


@pytest.mark.parametrize("function", ["foo", "checkout"])
async def test_a_stricter_catalog_replays_what_is_stored(
    gateway: Gateway, later: Gateway, store: Store, job: str, function: str
) -> None:
    """A repeated request is answered though its function takes its input no longer, or is gone."""
    await gateway.begin(job, {"pace": 1}, function=function)
    pending = await later.begin(job, {"pace": 1.0}, function=function)
    await asyncio.to_thread(store.promises.resolve, job, data='"1"')
    ended = await later.begin(job, {"pace": 1}, function=function)

    assert (pending.status, pending.body["created"], pending.body["done"]) == (202, False, False)
    assert (ended.status, ended.body["created"], ended.body["result"]) == (200, False, 1)
    assert pending.headers["Idempotent-Replayed"] == "true"


async def test_a_stricter_catalog_begins_nothing_with_it(
    gateway: Gateway, later: Gateway, store: Store, job: str
) -> None:
    """Another input, another id and a request without an id are refused as ever."""
    await gateway.begin(job, {"pace": 1})
    await gateway.begin(f"{job}-c", {"pace": 1}, function="checkout")
    typed = {"Content-Type": "application/json"}
    refused = [
        await later.begin(job, {"pace": 2}),
        await later.begin(f"{job}-new", {"pace": 1}),
        await later.ask("POST", "/begin", b"1", typed),
    ]
    unknown = [
        await later.begin(f"{job}-c", {"pace": 2}, function="checkout"),
        await later.begin(f"{job}-c", function="checkout"),
        await later.ask("POST", "/begin?function=checkout", b"1", typed),
    ]

    assert {answer.body["type"] for answer in refused} == {"/problems/invalid-input"}
    assert {answer.body["type"] for answer in unknown} == {"/problems/unknown-function"}
    assert (await gateway.wait(f"{job}-new")).status == 404


async def test_the_deadline_is_the_first_ones(gateway: Gateway, store: Store, job: str) -> None:
    """A replay keeps the deadline of the execution that it replays."""
    created = await gateway.begin(job)
    replay = await gateway.begin(job)
    stored = await asyncio.to_thread(store.promises.get, job)

    assert replay.body["timeout_at"] == created.body["timeout_at"]
    moment = datetime.fromisoformat(created.body["timeout_at"])
    assert round(moment.timestamp() * 1000) == stored.timeout


def _in(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)

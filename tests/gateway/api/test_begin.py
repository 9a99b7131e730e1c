"""POST /begin, row by row of the contract."""

from __future__ import annotations

import asyncio
import re
import string
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from shared.ids import ID_GRAMMAR
from shared.resonate.codec import Failure, encode_call
from tests.support.gateway.client import JSON, assert_problem
from tests.support.gateway.hostile import HOSTILE, short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway

RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
REUSED: Final = "this id already belongs to another function or another input"
MIB: Final = 1024 * 1024


def begun(id: str, body: Mapping[str, Any], **changed: object) -> dict[str, Any]:
    """Return the whole body of a fresh begin; the deadline is as it was answered."""
    return {
        "promise": id,
        "status": "pending",
        "wait": f"/wait?id={id}",
        "created": True,
        "done": False,
        "function": "foo",
        "timeout_at": body["timeout_at"],
        "links": {"events": f"/events?id={id}", "cancel": f"/cancel?id={id}"},
        **changed,
    }


async def test_a_begin_is_answered_with_all_of_it(gateway: Gateway, job: str) -> None:
    """A new execution is a 202 with its whole body and says where and when to ask again."""
    answer = await gateway.begin(job, {"n": 1})

    assert answer.status == 202
    assert answer.body == begun(job, answer.body)
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Location"] == f"/wait?id={job}"
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Idempotent-Replayed" not in answer.headers
    assert "Error-Source" not in answer.headers


async def test_an_execution_may_take_a_day(gateway: Gateway, job: str) -> None:
    """Without a timeout the deadline is a day away, in UTC and to the millisecond."""
    before = datetime.now(UTC)
    answer = await gateway.begin(job)
    after = datetime.now(UTC)

    text = answer.body["timeout_at"]
    assert RFC3339.fullmatch(text)
    slack, day = timedelta(seconds=1), timedelta(days=1)
    assert before + day - slack <= datetime.fromisoformat(text) <= after + day + slack


async def test_nothing_at_all_starts_the_default(gateway: Gateway) -> None:
    """A bare POST starts `foo` with its default input under an id that the gateway mints."""
    answer = await gateway.ask("POST", "/begin")

    id = answer.body["promise"]
    assert (answer.status, uuid.UUID(id).version, str(uuid.UUID(id))) == (202, 7, id)
    assert answer.body == begun(id, answer.body)
    assert answer.headers["Location"] == f"/wait?id={id}"
    assert await gateway.input_of(id) == {"foo": "bar"}


async def test_minted_ids_grow(gateway: Gateway) -> None:
    """Ids minted one after the other are in order as texts."""
    ids = [(await gateway.ask("POST", "/begin")).body["promise"] for _ in range(5)]

    assert ids == sorted(set(ids))


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t "])
@pytest.mark.parametrize(("function", "default"), [("foo", {"foo": "bar"}), ("checkout", None)])
async def test_an_empty_body_is_the_default(
    gateway: Gateway, job: str, body: bytes, function: str, default: object
) -> None:
    """A body of nothing but whitespace, of whatever type, is the function's default input."""
    answer = await gateway.ask("POST", f"/begin?id={job}&function={function}", body)

    assert (answer.status, answer.body["function"]) == (202, function)
    assert await gateway.input_of(job) == default


async def test_the_default_and_the_same_sent_are_one(gateway: Gateway, job: str) -> None:
    """Sending what an empty body stands for is a replay of it."""
    await gateway.begin(job)

    assert (await gateway.begin(job, {"foo": "bar"})).body["created"] is False


async def test_every_character_of_the_grammar_may_be_used(gateway: Gateway, job: str) -> None:
    """Letters, digits, `_` and `-` make an id, up to 128 of them."""
    id = f"-_{job}-{string.ascii_letters}{string.digits}".ljust(128, "_")

    assert (await gateway.begin(id)).body["promise"] == id
    assert (await gateway.wait(id)).body["promise_id"] == id


@pytest.mark.parametrize("id", ["-", "_", "9"])
async def test_one_character_is_an_id(gateway: Gateway, id: str) -> None:
    """The shortest ids have one character."""
    answer = await gateway.begin(id)

    assert (answer.status, answer.body["promise"]) == (202, id)


async def test_ids_are_told_apart_by_case(gateway: Gateway, job: str) -> None:
    """Two ids that differ in case are two executions."""
    lower, upper = await gateway.begin(job, 1), await gateway.begin(job.upper(), 2)

    assert (lower.body["created"], upper.body["created"]) == (True, True)


@pytest.mark.parametrize("query", HOSTILE, ids=short)
async def test_a_hostile_id_is_refused_and_not_passed_on(offline: Gateway, query: str) -> None:
    """An id that breaks the grammar is a 400 without a call to the server."""
    answer = await offline.ask("POST", f"/begin?{query}")

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request"), answer
    assert answer.headers["Error-Source"] == "gateway"


async def test_a_bad_id_is_told_the_grammar(offline: Gateway) -> None:
    """The problem of a bad id says what an id looks like, and does not repeat the bad one."""
    answer = await offline.ask("POST", "/begin?id=a.b")

    assert_problem(answer, "invalid-request", "/begin", f"id must match {ID_GRAMMAR.pattern}")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("function=foo&function=foo", "parameter 'function' is given more than once"),
        ("id=a&id=b", "parameter 'id' is given more than once"),
        ("ID=a", "unknown parameter 'ID'; known: id, function, timeout, delay, callback"),
        ("colour=red", "unknown parameter 'colour'; known: id, function, timeout, delay, callback"),
        ("=", "unknown parameter ''; known: id, function, timeout, delay, callback"),
    ],
)
async def test_a_parameter_is_known_and_given_once(
    offline: Gateway, query: str, detail: str
) -> None:
    """Repeated and unknown parameters are refused, never ignored."""
    assert_problem(
        await offline.ask("POST", f"/begin?{query}"), "invalid-request", "/begin", detail
    )


@pytest.mark.parametrize("function", ["", "nope", "Foo", "foo.bar", "__init__", "%2E%2E%2Ffoo"])
async def test_an_unknown_function_stores_nothing(
    gateway: Gateway, job: str, function: str
) -> None:
    """A name that is not in the catalog is a 404, and the id stays unknown."""
    answer = await gateway.ask("POST", f"/begin?id={job}&function={function}", b"1")

    assert_problem(
        answer,
        "unknown-function",
        "/begin",
        "known functions: foo, checkout, approval, countdown, fanout, part",
    )
    assert (await gateway.wait(job)).body["type"] == "/problems/unknown-id"


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
    """Of 200 begins at once with one id exactly one is told that it created the execution."""
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


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"}",
        b"[1,]",
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b"nul",
        b"True",
        b"1 2",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"0x10",
        b'"open',
        b'"\x01"',
        b'"\\x41"',
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"// no\n1",
        b"\x00",
        b"foo=bar",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'[{"a":1,"\\u0061":2}]',
        b"18446744073709551616",
        b"-9223372036854775809",
        b"[[1" + b"0" * 400 + b"]]",
        b"1e400",
        b"[-1e999]",
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 300 + b"]" * 300,
        b"[" * 100_000,
    ],
    ids=short,
)
async def test_what_is_not_kept_exactly_is_refused(offline: Gateway, body: bytes) -> None:
    """What is no JSON, or is read differently by different readers, is a 400 and goes nowhere."""
    answer = await offline.begin("some-job", body)

    assert answer.status == 400, answer
    assert_problem(answer, "invalid-request", "/begin", answer.body["detail"])
    assert "the body" in answer.body["detail"]


@pytest.mark.parametrize(
    "body",
    [
        b"18446744073709551615",
        b"-9223372036854775808",
        b"9007199254740993",
        b"1.7976931348623157e308",
        b"0.1",
        b'""',
        b"false",
        b'{"":{"":""}}',
        b'"\\u0000"',
        '"\N{GRINNING FACE}"'.encode(),
        b'{"__error__":"x","py/object":"os.system"}',
        b"[" * 64 + b"]" * 64,
        b'{"a":' * 64 + b"1" + b"}" * 64,
    ],
    ids=short,
)
async def test_every_other_json_is_kept_exactly(gateway: Gateway, job: str, body: bytes) -> None:
    """Any JSON value is an input, up to 64 bits and 64 levels, and is stored as it was sent."""
    answer = await gateway.begin(job, body)

    assert answer.status == 202, answer
    assert await gateway.input_of(job) == orjson.loads(body)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/jsonp",
    ],
)
async def test_a_body_of_another_type_is_refused(
    offline: Gateway, content_type: str | None
) -> None:
    """A body that is not declared as JSON is a 415, even if it could be read."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await offline.ask("POST", "/begin?id=some-job", b"1", headers)

    detail = "send the body with Content-Type: application/json"
    assert_problem(answer, "unsupported-media-type", "/begin", detail)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"],
)
async def test_json_is_declared_in_any_spelling(
    gateway: Gateway, job: str, content_type: str
) -> None:
    """Case and a charset do not make another type of it."""
    answer = await gateway.ask(
        "POST", f"/begin?id={job}", b'"\xc3\xa9"', {"Content-Type": content_type}
    )

    assert answer.status == 202
    assert await gateway.input_of(job) == "é"


async def test_a_body_of_the_limit_is_taken(gateway: Gateway, job: str) -> None:
    """A body of exactly 1 MiB is not over the limit."""
    body = orjson.dumps("x" * (MIB - 2))

    assert (await gateway.begin(job, body)).status == 202
    assert len(await gateway.input_of(job)) == MIB - 2


async def test_a_body_over_the_limit_is_refused(offline: Gateway) -> None:
    """One byte more than 1 MiB is a 413."""
    answer = await offline.begin("some-job", orjson.dumps("x" * (MIB - 1)))

    detail = "send a smaller body; GATEWAY_MAX_BODY sets the limit"
    assert_problem(answer, "payload-too-large", "/begin", detail)


async def test_an_endless_body_is_read_no_further(offline: Gateway) -> None:
    """A body that never ends is refused once it is over the limit, without waiting for its end."""
    reader, writer = await asyncio.open_connection(offline.host, offline.port)
    try:
        writer.write(
            b"POST /begin?id=some-job HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(17):
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n")
    finally:
        writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")


async def test_the_deadline_is_the_first_ones(gateway: Gateway, store: Store, job: str) -> None:
    """A replay keeps the deadline of the execution that it replays."""
    created = await gateway.begin(job)
    replay = await gateway.begin(job)
    stored = await asyncio.to_thread(store.promises.get, job)

    assert replay.body["timeout_at"] == created.body["timeout_at"]
    moment = datetime.fromisoformat(created.body["timeout_at"])
    assert round(moment.timestamp() * 1000) == stored.timeout


async def test_what_is_stored_is_what_workers_read(
    gateway: Gateway, store: Store, job: str
) -> None:
    """The stored call names function, version and the input as one text, and where it goes."""
    await gateway.begin(job, {"b": 1, "a": [2]})

    stored = await asyncio.to_thread(store.promises.get, job)
    assert stored.param.data == encode_call("foo", 1, '{"b":1,"a":[2]}')
    assert stored.tags["resonate:invoke"] == "poll://any@worker"


def _in(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


async def test_a_body_that_is_not_what_it_says_is_refused(gateway: Gateway, job: str) -> None:
    """A body that its Content-Encoding does not describe is the client's fault, and told so."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await gateway.ask("POST", f"/begin?id={job}", b'{"n": 1}', headers)

    detail = "the body is not what its headers say, or broke off"
    assert_problem(answer, "invalid-request", "/begin", detail)


@pytest.mark.parametrize(
    ("value", "pointers"),
    [
        ([1, 2], [""]),
        ("x", [""]),
        ({"pace": "fast"}, ["/pace"]),
        ({"pace": -1, "fail": "nothing"}, ["/fail", "/pace"]),
        ({"a/b": 1}, [""]),
    ],
)
async def test_an_input_is_held_to_its_schema(
    gateway: Gateway, job: str, value: object, pointers: list[str]
) -> None:
    """What a function does not take is refused with a pointer to each fault; nothing is stored."""
    answer = await gateway.begin(job, value, function="checkout")

    assert (answer.status, answer.body["type"]) == (422, "/problems/invalid-input")
    assert sorted(fault["pointer"] for fault in answer.body["errors"]) == pointers
    assert all(fault["message"] for fault in answer.body["errors"])
    assert (await gateway.wait(job)).status == 404


@pytest.mark.parametrize("within", ["PTTT", "P1H", "PDD", "1w", "", "PT"])
async def test_a_deadline_that_cannot_be_read_is_no_input(
    gateway: Gateway, job: str, within: str
) -> None:
    """What the function could not read is refused before anything is stored."""
    answer = await gateway.begin(job, {"within": within}, function="approval")

    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/within")

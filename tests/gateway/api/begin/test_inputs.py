"""Inputs read from real requests: which are equal, kept, or refused."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from gateway.api.keys import INPUTS
from gateway.api.parameters import checked_id
from gateway.errors import InvalidRequest, ServiceError
from gateway.http.body import count_body
from gateway.http.budgets import BodyBudget
from gateway.http.keys import BODY_BUDGET, SETTINGS
from gateway.http.query import query_of
from gateway.inputs.json_values import MAX_DEPTH
from gateway.inputs.reading import Input, Inputs
from gateway.inputs.validation import Validation
from gateway.settings import GatewaySettings
from tests.support.catalog import CATALOG
from tests.support.gateway.client import until

if TYPE_CHECKING:
    from pytest_aiohttp import AiohttpClient

VALIDATION: Final = Validation(CATALOG)

type Client = TestClient[web.Request, web.Application]


async def _read(request: web.Request) -> web.Response:
    """Answer with the input that was read, or with the error that was raised."""
    try:
        query = query_of(request, "function", "other")
        function = CATALOG.functions[query.get("function", "foo")]
        given = await request.app[INPUTS].read_input(request, function, VALIDATION)
        if given.refusal is not None:
            raise given.refusal
    except ServiceError as error:
        return web.json_response({"error": [type(error).__name__, error.detail]})
    return web.json_response({"json": given.json, "fingerprint": given.fingerprint})


@pytest.fixture(name="client")
async def _client(aiohttp_client: AiohttpClient) -> Client:
    app = web.Application(middlewares=[count_body])
    app[SETTINGS] = GatewaySettings()
    app[BODY_BUDGET] = BodyBudget(app[SETTINGS].body_budget)
    app[INPUTS] = Inputs()
    app.router.add_post("/", _read)
    return await aiohttp_client(app)


async def read(client: Client, body: bytes, function: str = "foo") -> Input:
    """Return a body as it was read as the input of a function."""
    headers = {"Content-Type": "application/json"}
    response = await client.post(f"/?function={function}", data=body, headers=headers)
    answer = await response.json()
    return Input(answer["json"], answer["fingerprint"])


async def refusal(client: Client, body: bytes, query: str = "") -> tuple[str, str]:
    """Return the error that a body or a query is refused with, and its detail."""
    headers = {"Content-Type": "application/json"}
    response = await client.post(f"/{query}", data=body, headers=headers)
    kind, detail = (await response.json())["error"]
    return kind, detail


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":{"c":2,"d":3}}', b'{ "b" : {"d":3,"c":2}, "a":1 }'),
        (b"1", b"1.0"),
        (b"-1", b"-10e-1"),
        (b"0", b"-0.0"),
        (b"[[1]]", b"[[1.0]]"),
        (b'{"a":{"b":[1]}}', b'{"a":{"b":[1.0]}}'),
        (b"0.1", b"1e-1"),
        (b"9007199254740991", b"9007199254740991.0"),
        (b'"a"', b'"\\u0061"'),
    ],
)
async def test_equal_json_has_one_fingerprint(client: Client, one: bytes, other: bytes) -> None:
    """JSON that is equal to every reader is one input, at any depth."""
    first, second = await read(client, one), await read(client, other)

    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"[1,2]", b"[2,1]"),
        (b"1", b"true"),
        (b"0", b"false"),
        (b"0", b"null"),
        (b'"1"', b"1"),
        (b"{}", b"[]"),
        (b'{"a":null}', b"{}"),
        (b"1", b"1.0000000000000002"),
        (b"9007199254740992", b"9007199254740993"),
        (b"18446744073709551615", b"18446744073709551614"),
        (b'"a"', b'"A"'),
        (b'"\xc3\xa9"', b'"e\xcc\x81"'),
        (b'["a","b"]', b'["ab"]'),
        (b'{"a":{"b":1}}', b'{"a":1,"b":1}'),
    ],
)
async def test_other_json_has_another_fingerprint(client: Client, one: bytes, other: bytes) -> None:
    """Order of items, types, big numbers and characters make another input."""
    first, second = await read(client, one), await read(client, other)

    assert first.fingerprint != second.fingerprint


async def test_the_function_is_part_of_the_fingerprint(client: Client) -> None:
    """One input for two functions is two requests."""
    first, second = await read(client, b"null", "foo"), await read(client, b"null", "checkout")

    assert (first.json, first.fingerprint != second.fingerprint) == (second.json, True)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b' { "b" : 1.0 , "a" : [ ] } ', '{"b":1.0,"a":[]}'),
        (b"1e2", "100.0"),
        (b"18446744073709551615", "18446744073709551615"),
        (b"-9223372036854775808", "-9223372036854775808"),
        (b'"\\u00e9"', '"é"'),
        (b'{"z":1,"a":2}', '{"z":1,"a":2}'),
    ],
)
async def test_the_input_itself_is_kept(client: Client, body: bytes, kept: str) -> None:
    """The function gets keys in the client's order and floats as floats, without the spacing."""
    assert (await read(client, body)).json == kept


@pytest.mark.parametrize("function", CATALOG.functions)
async def test_no_body_is_the_default(client: Client, function: str) -> None:
    """No body is the same input as the default sent as a body."""
    default = orjson.dumps(CATALOG.functions[function].default_input)

    nothing = await read(client, b"\n", function)

    assert nothing == await read(client, default, function)
    assert nothing.json == default.decode()


@pytest.mark.parametrize(
    ("opening", "closing", "levels"), [("[", "]", 1), ('{"a":', "}", 1), ('[{"a":', "}]", 2)]
)
async def test_nesting_is_limited(client: Client, opening: str, closing: str, levels: int) -> None:
    """The deepest input that is taken has as many levels as the limit says."""
    times = MAX_DEPTH // levels
    deepest = opening * times + "1" + closing * times

    assert orjson.loads((await read(client, deepest.encode())).json) == orjson.loads(deepest)
    assert await refusal(client, f"[{deepest}]".encode()) == (
        "InvalidRequest",
        "The body is nested deeper than 64 levels.",
    )


@pytest.mark.parametrize(
    ("body", "start"),
    [
        (b"{", "The body is not JSON: "),
        (b'{"a":1,"a":2}', "The body is not JSON: "),
        (b"NaN", "The body is not JSON: "),
        (b"18446744073709551616", "The body cannot be stored exactly: "),
        (b"1e400", "The body has a number that is too large."),
    ],
)
async def test_a_refusal_says_what_is_wrong(client: Client, body: bytes, start: str) -> None:
    """The detail distinguishes invalid JSON from JSON that cannot be kept."""
    kind, detail = await refusal(client, body)

    assert (kind, detail[: len(start)]) == ("InvalidRequest", start)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("?function=foo&function=foo", "The parameter 'function' is given more than once."),
        ("?other=1&%6fther=1", "The parameter 'other' is given more than once."),
        ("?x=1", "Unknown parameter 'x'; known: function, other."),
        (f"?{'x' * 100}=1", f"Unknown parameter '{'x' * 64}'; known: function, other."),
    ],
    ids=["repeated", "repeated in disguise", "unknown", "long"],
)
async def test_a_query_is_read_strictly(client: Client, query: str, detail: str) -> None:
    """A parameter that is repeated or unknown is refused, and a long name is cut."""
    assert await refusal(client, b"", query) == ("InvalidRequest", detail)


@pytest.mark.parametrize("id", ["a", "A-z_09", "-", "x" * 128], ids=["a", "all", "-", "long"])
def test_an_id_of_the_grammar_is_returned(id: str) -> None:
    """An id that follows the grammar is taken as it is."""
    assert checked_id(id) == id


@pytest.mark.parametrize("id", ["", "a.b", "a\n", "\na", "é", "\uff21", "a b", "a:b", "x" * 129])
def test_any_other_id_is_refused(id: str) -> None:
    """Anything else is refused, a newline at the end included."""
    with pytest.raises(InvalidRequest, match="id must match"):
        checked_id(id)


async def test_a_large_body_holds_nobody_up(client: Client) -> None:
    """Large bodies are read in a thread, one at a time, and small ones are read meanwhile."""
    large, release = orjson.dumps(["x" * 1000] * 100), threading.Event()
    reading = client.app[INPUTS]._executor
    busy = asyncio.create_task(reading.run(release.wait, 60))
    waiting = [asyncio.create_task(read(client, large)) for _ in range(40)]

    try:
        async with asyncio.timeout(10):
            await until(lambda: reading.waiting >= 40)
            small = await read(client, b"[]")
    finally:
        release.set()
        await busy
    read_at_last = await asyncio.gather(*waiting)

    assert small.json == "[]"
    assert {given.json.encode() for given in read_at_last} == {large}


async def test_a_body_of_70_kb_waits_for_one_large_body_at_most(client: Client) -> None:
    """While eight bodies of a megabyte wait, a smaller one that comes last is read first."""
    large, small = orjson.dumps(["x" * 1000] * 1000), orjson.dumps(["x" * 1000] * 70)
    release, done = threading.Event(), list[int]()
    reading = client.app[INPUTS]._executor
    busy = asyncio.create_task(reading.run(release.wait, 60))

    async def read_and_note(body: bytes) -> None:
        await read(client, body)
        done.append(len(body))

    waiting = [asyncio.create_task(read_and_note(large)) for _ in range(8)]
    try:
        async with asyncio.timeout(60):
            await until(lambda: reading.waiting == 8)
            waiting.append(asyncio.create_task(read_and_note(small)))
            await until(lambda: reading.waiting == 9)
    finally:
        release.set()
        await busy
    await asyncio.gather(*waiting)

    assert done.index(len(small)) <= 1

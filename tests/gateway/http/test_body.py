"""Bodies: their type, size and encoding, and when they are read at all."""

from __future__ import annotations

import asyncio
import codecs
import gzip
from typing import TYPE_CHECKING, Final

import orjson
import pytest

from tests.support.gateway.answers import assert_problem
from tests.support.gateway.raw import connected, posted

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway


MIB: Final = 1024 * 1024


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

    detail = "Send the body with Content-Type: application/json."
    assert_problem(answer, "unsupported-media-type", "/begin", detail)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"],
)
async def test_json_is_declared_in_any_spelling(
    gateway: Gateway, job: str, content_type: str
) -> None:
    """JSON may be declared in any case and with a charset."""
    answer = await gateway.ask(
        "POST", f"/begin?id={job}", b'"\xc3\xa9"', {"Content-Type": content_type}
    )

    assert answer.status == 202
    assert await gateway.input_of(job) == "é"


MARK: Final = codecs.BOM_UTF8


async def test_one_byte_order_mark_is_no_part_of_the_body(gateway: Gateway, job: str) -> None:
    """A body with the mark of UTF-8 is the same body as without, also if nothing else is in it."""
    assert (await gateway.begin(job, MARK + b'{"a": 1}')).status == 202
    replay = await gateway.begin(job, {"a": 1})
    empty = await gateway.begin(f"{job}-empty", MARK + b" \n")

    assert (replay.body["created"], empty.body["created"]) == (False, True)
    assert await gateway.input_of(f"{job}-empty") == {"foo": "bar"}


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (MARK * 2 + b"1", "The body begins with more than one byte order mark."),
        (
            "1".encode("utf-16"),
            "The body begins with the byte order mark of UTF-16 or UTF-32; send it in UTF-8.",
        ),
        (
            codecs.BOM_UTF32_BE + "1".encode("utf-32-be"),
            "The body begins with the byte order mark of UTF-16 or UTF-32; send it in UTF-8.",
        ),
    ],
    ids=["twice", "utf-16", "utf-32"],
)
@pytest.mark.parametrize("route", ["/begin?id=a", "/signal?id=a&name=a", "/cancel?id=a"])
async def test_another_byte_order_mark_is_named(
    offline: Gateway, route: str, body: bytes, detail: str
) -> None:
    """A mark that JSON cannot have is a 400 that names it."""
    answer = await offline.ask("POST", route, body, {"Content-Type": "application/json"})

    assert_problem(answer, "invalid-request", route.partition("?")[0], detail)


async def test_a_body_of_the_limit_is_taken(gateway: Gateway, job: str) -> None:
    """A body of exactly 1 MiB is not over the limit."""
    body = orjson.dumps("x" * (MIB - 2))

    assert (await gateway.begin(job, body)).status == 202
    assert len(await gateway.input_of(job)) == MIB - 2


async def test_a_body_over_the_limit_is_refused(offline: Gateway) -> None:
    """One byte more than 1 MiB is a 413."""
    answer = await offline.begin("some-job", orjson.dumps("x" * (MIB - 1)))

    detail = "Send a smaller body; GATEWAY_MAX_BODY sets the limit."
    assert_problem(answer, "payload-too-large", "/begin", detail)


async def test_an_endless_body_is_read_no_further(offline: Gateway) -> None:
    """A body that never ends is refused once it is over the limit, without waiting for its end."""
    reader, writer = await asyncio.open_connection(offline.host, offline.port)
    try:
        writer.write(
            b"POST /begin?id=some-job HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(17):
            writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n")
    finally:
        writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_is_not_what_it_says_is_refused(gateway: Gateway, job: str) -> None:
    """A body that does not match its Content-Encoding is a 400."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await gateway.ask("POST", f"/begin?id={job}", b'{"n": 1}', headers)

    detail = "The body is not what its headers say, or it was cut off."
    assert_problem(answer, "invalid-request", "/begin", detail)


async def test_a_body_that_asks_first_may_come(gateway: Gateway, job: str) -> None:
    """`Expect: 100-continue` is answered 100 when the body is wanted, then comes the answer."""
    sent = posted(f"/begin?id={job}", "Expect: 100-continue", "Content-Length: 1")
    async with connected(gateway, sent) as wire:
        assert (await wire.answer()).status == 100
        wire.writer.write(b"1")
        assert (await wire.answer()).status == 202


@pytest.mark.parametrize(
    ("line", "length", "status"),
    [("/begin?id=a", 9_999_999, 413), ("/begin?id=.", 5, 400), ("/begin?function=x", 5, 404)],
)
async def test_a_body_that_asks_first_may_be_spared(
    offline: Gateway, line: str, length: int, status: int
) -> None:
    """With `Expect`, a request that would be refused anyway is refused before its body."""
    sent = posted(line, "Expect: 100-continue", f"Content-Length: {length}")
    async with connected(offline, sent) as wire:
        assert (await wire.answer(1)).status == status


@pytest.mark.parametrize("size", [0, 1, 1_000_000])
async def test_a_body_may_be_compressed(gateway: Gateway, job: str, size: int) -> None:
    """A gzip body is decompressed."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(b'"' + b"x" * size + b'"')
    answer = await gateway.ask("POST", f"/begin?id={job}", body, headers)

    assert answer.status == 202
    assert await gateway.input_of(job) == "x" * size


async def test_half_of_a_compressed_body_is_refused(gateway: Gateway) -> None:
    """A compressed body that is cut short is a 400."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = gzip.compress(b"[1, 2, 3]")[:-4]
    answer = await gateway.ask("POST", "/begin", body, headers)

    assert answer.body["detail"] == "The body is not what its headers say, or it was cut off."

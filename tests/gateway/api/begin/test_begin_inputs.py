"""Inputs of POST /begin: any JSON that can be kept exactly and fits the function's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from tests.support.gateway.answers import assert_problem
from tests.support.gateway.hostile import short

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n\t "])
@pytest.mark.parametrize(("function", "default"), [("foo", {"foo": "bar"}), ("checkout", None)])
async def test_an_empty_body_is_the_default(
    gateway: Gateway, job: str, body: bytes, function: str, default: object
) -> None:
    """A body of nothing but whitespace, of whatever type, is the function's default input."""
    answer = await gateway.ask("POST", f"/begin?id={job}&function={function}", body)

    assert (answer.status, answer.body["function"]) == (202, function)
    assert await gateway.input_of(job) == default


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
    """Invalid JSON, and JSON that readers read differently, is answered 400 and stored nowhere."""
    answer = await offline.begin("some-job", body)

    assert answer.status == 400, answer
    assert_problem(answer, "invalid-request", "/begin", answer.body["detail"])
    assert answer.body["detail"].startswith("The body ")


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
    """An input that breaks the schema is refused with a pointer to each fault, and not stored."""
    answer = await gateway.begin(job, value, function="checkout")

    assert (answer.status, answer.body["type"]) == (422, "/problems/invalid-input")
    assert sorted(fault["pointer"] for fault in answer.body["errors"]) == pointers
    assert all(fault["message"] for fault in answer.body["errors"])
    assert (await gateway.wait(job)).status == 404


@pytest.mark.parametrize("within", ["PTTT", "P1H", "PDD", "1w", "", "PT"])
async def test_a_deadline_that_cannot_be_read_is_no_input(
    gateway: Gateway, job: str, within: str
) -> None:
    """A duration that the function could not read is refused before anything is stored."""
    answer = await gateway.begin(job, {"within": within}, function="approval")

    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/within")

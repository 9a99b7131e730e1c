"""The values of signals: their size in JSON, and what is no JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.gateway.answers import assert_problem

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import StartGateway

HEADERS = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        (b'"' + b"x" * 1022 + b'"', 1024),
        (b'"' + b"x" * 1023 + b'"', 1025),
        (b'"' + "é".encode() * 600 + b'"', 1202),
        (b"[" + b"1e15," * 99 + b"1e15]", 1701),
        (b"  " * 1000 + b"1", 1),
    ],
)
async def test_a_value_has_a_size_in_json(
    settings: GatewaySettings, start_gateway: StartGateway, job: str, raw: bytes, size: int
) -> None:
    """The bytes that would be stored count, not those that were sent."""
    gateway = await start_gateway(replace(settings, max_result_bytes=1024))
    assert (await gateway.begin(job)).status == 202

    answer = await gateway.ask("POST", f"/signal?id={job}&name=a", raw, HEADERS)

    if size <= 1024:
        assert answer.status == 202
    else:
        detail = f"The value has {size} bytes of JSON; MAX_RESULT_BYTES allows 1024."
        assert_problem(answer, "payload-too-large", "/signal", detail)


@pytest.mark.parametrize("raw", [b"NaN", b'{"a":[Infinity]}', b"[-Infinity]", b"[1e999]"])
async def test_what_is_no_number_is_no_value(
    settings: GatewaySettings, start_gateway: StartGateway, job: str, raw: bytes
) -> None:
    """NaN, infinities and numbers beyond all floats are refused, and nothing is delivered."""
    gateway = await start_gateway(settings)
    assert (await gateway.begin(job)).status == 202

    answer = await gateway.ask("POST", f"/signal?id={job}&name=a", raw, HEADERS)

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")

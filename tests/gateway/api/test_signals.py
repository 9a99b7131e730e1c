"""POST /signal: what is a value and what is a key, and what the answers say."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from gateway.backend.signals import numbers as signal_numbers
from gateway.backend.signals.delivery import FULL_DETAIL
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.played_worker import begin_wait, resolve

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.processes import Answer

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


async def send(gateway: Gateway, job: str, value: object, key: str | None = None) -> Answer:
    """Send a value of the signal `next`."""
    headers = HEADERS if key is None else {**HEADERS, "Idempotency-Key": key}
    return await gateway.ask("POST", f"/signal?id={job}&name=next", orjson.dumps(value), headers)


async def test_each_request_delivers_one_more_value(
    settings: GatewaySettings, start_gateway: StartGateway, job: str
) -> None:
    """The answer says which value it is and how many wait; equal values are values of their own."""
    gateways = [await start_gateway(settings) for _ in range(2)]
    await gateways[0].begin(job)

    answers = [await send(gateways[n % 2], job, "same") for n in range(3)]

    assert [answer.status for answer in answers] == [202, 202, 202]
    delivered = {"promise_id": job, "signal": "next", "delivered": True, "first": True}
    assert [answer.body for answer in answers] == [
        {**delivered, "number": n, "waiting": n} for n in (1, 2, 3)
    ]


async def test_a_crowd_gets_numbers_without_a_gap(
    settings: GatewaySettings, start_gateway: StartGateway, job: str
) -> None:
    """Of 120 clients at once, at two gateways, each value has a number of its own."""
    gateways = [await start_gateway(settings) for _ in range(2)]
    await gateways[0].begin(job)

    answers = await asyncio.gather(*(send(gateways[n % 2], job, n) for n in range(120)))

    assert {answer.status for answer in answers} == {202}
    assert sorted(answer.body["number"] for answer in answers) == list(range(1, 121))


@pytest.mark.parametrize("key", ["a", '"a"', "!~#", "k" * 255, f'"{"k" * 255}"', "a,b", "a\\b"])
async def test_a_key_makes_a_repeat_safe(
    settings: GatewaySettings, start_gateway: StartGateway, job: str, key: str
) -> None:
    """Bare or quoted, a key of visible ASCII characters is known to any gateway."""
    gateways = [await start_gateway(settings) for _ in range(2)]
    await gateways[0].begin(job)
    first = await send(gateways[0], job, {"a": 1, "b": 2}, key)
    await send(gateways[0], job, "between")
    again = await send(gateways[1], job, {"b": 2, "a": 1.0}, key.strip('"'))
    quoted = await send(gateways[1], job, {"a": 1, "b": 2}, f'"{key.strip(chr(34))}"')
    other = await send(gateways[1], job, "other", key)

    assert (first.status, first.body["first"], first.body["number"]) == (202, True, 1)
    for answer in (again, quoted):
        assert (answer.status, answer.body["first"], answer.body["number"]) == (200, False, 1)
    detail = "This Idempotency-Key was used with another value."
    assert_problem(other, "signal-conflict", "/signal", detail, id=job)


@pytest.mark.parametrize("key", ["", '""', "a b", '"a', 'a"b', '"a b"', "é", "k" * 256, "a\tb"])
async def test_what_is_no_key_is_refused(offline: Gateway, key: str) -> None:
    """A key that is empty, too long, or has other characters is a 400."""
    answer = await send(offline, "job", 1, key)

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")


async def test_two_keys_are_refused(offline: Gateway) -> None:
    """A request has one key at most."""
    async with offline.session.post(
        f"http://127.0.0.1:{offline.port}/signal?id=job&name=next",
        headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    ) as response:
        assert response.status == 400


async def test_after_the_end_a_value_is_too_late(gateway: Gateway, store: Store, job: str) -> None:
    """The last value again is a 200; any other one, and one with a new key, is a 409."""
    await gateway.begin(job)
    await send(gateway, job, "last")
    await resolve(store, job)

    again = await send(gateway, job, "last")
    assert (again.status, again.body["first"], again.body["number"]) == (200, False, 1)
    for value, key in (("other", None), ("last", "new")):
        late = await send(gateway, job, value, key)
        assert_problem(late, "signal-conflict", "/signal", "The execution has ended.", id=job)


async def test_too_many_values_are_refused(
    gateway: Gateway, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that no function takes are refused at last, to be sent again later."""
    monkeypatch.setattr(signal_numbers, "MOST_WAITING", 2)
    await gateway.begin(job)
    answers = [await send(gateway, job, n) for n in range(3)]

    assert [answer.status for answer in answers] == [202, 202, 429]
    assert_problem(answers[2], "too-many-requests", "/signal", FULL_DETAIL, id=job)


async def test_what_waits_is_shown(gateway: Gateway, store: Store, job: str) -> None:
    """The second wait for a name is shown by its name, not by its number."""
    await gateway.begin(job)
    await send(gateway, job, 1)
    await asyncio.to_thread(begin_wait, store, job, 1, "next", 1)
    await asyncio.to_thread(begin_wait, store, job, 2, "next", 2)

    waiting = (await gateway.wait(job)).body

    assert waiting["phase"] == "waiting"
    assert [entry["name"] for entry in waiting["waiting_for"]] == ["next"]

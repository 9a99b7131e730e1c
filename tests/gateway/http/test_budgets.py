"""Budgets of bytes: what they count, what they refuse, and that all is given back."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson
import pytest

from gateway.errors import Overloaded
from gateway.http.budgets import BODIES_DETAIL, BodyBudget, BodyShare
from gateway.http.keys import ANSWER_BUDGET, BODY_BUDGET
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.client import until
from tests.support.gateway.raw import connected, posted, request

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.gateway.raw import Wire

KIB: Final = 1024
JSON: Final = {"Content-Type": "application/json"}


def test_a_large_body_leaves_room_for_small_ones() -> None:
    """Large bodies get three quarters of the budget, small ones all of it."""
    budget = BodyBudget(400 * KIB)
    large, other, small = (BodyShare(budget) for _ in range(3))
    large.resize(290 * KIB)

    with pytest.raises(Overloaded):
        other.resize(17 * KIB)
    assert (other.size, budget.held) == (0, 290 * KIB)
    small.resize(16 * KIB)
    large.resize(0)
    other.resize(200 * KIB)
    assert budget.held == 216 * KIB


def test_one_body_alone_may_exceed_the_budget() -> None:
    """A budget below the largest body would refuse that body for ever, so it does not count."""
    budget = BodyBudget(100)
    share = BodyShare(budget)

    share.resize(1000)
    share.resize(2000)

    assert budget.held == 2000


@pytest.mark.parametrize("target", ["/begin?id=a", "/signal?id=a&name=b", "/cancel?id=a"])
async def test_a_body_without_room_is_refused_unread(
    settings: GatewaySettings, start_gateway: StartGateway, target: str
) -> None:
    """While bodies hold the budget, a large one is refused by its length, on each route."""
    gateway = await start_gateway(replace(settings, body_budget=1024 * KIB))
    budget = gateway.app[BODY_BUDGET]
    first = posted(target, f"Content-Length: {900 * KIB}", body=b" " * (700 * KIB))
    async with connected(gateway, first):
        await until(lambda: budget.held == 700 * KIB)
        async with connected(gateway, posted(target, f"Content-Length: {90 * KIB}")) as second:
            answer = await second.answer(1)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert (answer.body["type"], answer.body["detail"]) == ("/problems/overloaded", BODIES_DETAIL)
    await until(lambda: budget.held == 0)


async def test_a_chunked_body_is_counted_as_it_comes(
    settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """A body that does not say its length is refused where it exceeds the budget."""
    gateway = await start_gateway(replace(settings, body_budget=400 * KIB))
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    head = posted("/begin?id=a", "Transfer-Encoding: chunked")
    async with connected(gateway, head + chunk * 3) as first:
        await until(lambda: gateway.app[BODY_BUDGET].held == 192 * KIB)
        async with connected(gateway, head + chunk * 2) as second:
            assert (await second.answer(1)).status == 503
        first.writer.write(chunk + b"0\r\n\r\n")
        assert (await first.answer(1)).status == 202
    await until(lambda: gateway.app[BODY_BUDGET].held == 0)


async def test_an_inflated_body_counts_as_it_is(
    settings: GatewaySettings, start_gateway: StartGateway, job: str
) -> None:
    """A body of a kilobyte that inflates to 900 KiB needs room for that."""
    gateway = await start_gateway(replace(settings, body_budget=1024 * KIB))
    packed = gzip.compress(orjson.dumps("x" * (900 * KIB)))
    head = posted("/begin?id=a", "Content-Length: 200000", body=b" " * 100_000)
    async with connected(gateway, head):
        await until(lambda: gateway.app[BODY_BUDGET].held == 100_000)
        answer = await gateway.ask(
            "POST", f"/begin?id={job}", packed, {**JSON, "Content-Encoding": "gzip"}
        )
    assert_problem(answer, "overloaded", "/begin", BODIES_DETAIL)


async def test_a_begin_that_waits_holds_nothing(gateway: Gateway, job: str) -> None:
    """A client that waits for the outcome of its begin does not hold its body meanwhile."""
    waiting = asyncio.create_task(
        gateway.ask("POST", f"/begin?id={job}", b'"x"', {**JSON, "Prefer": "wait=2"})
    )
    await until(lambda: gateway.app[BODY_BUDGET].held == 0)
    assert not waiting.done()
    assert (await waiting).status == 202


async def test_a_large_answer_arrives_whole(
    settings: GatewaySettings, start_gateway: StartGateway, job: str
) -> None:
    """Answers that are sent in pieces are what they were; a HEAD reads nothing for its answer."""
    gateway = await start_gateway(replace(settings, answer_budget=1024 * KIB))
    text = "x" * (700 * KIB)
    await gateway.begin(job, text)

    assert await gateway.input_of(job) == text
    head = await gateway.ask("HEAD", f"/wait?id={job}&include=input")
    assert (head.status, head.headers.get("Content-Length")) == (200, None)
    assert gateway.app[ANSWER_BUDGET].held == 0


async def test_an_answer_that_trickles_has_one_time_limit(
    settings: GatewaySettings, start_gateway: StartGateway, job: str
) -> None:
    """A client that takes a little at a time is cut off when the time for the answer is over."""
    short = replace(settings, limits=replace(settings.limits, answer=0.6))
    gateway = await start_gateway(short)
    await gateway.begin(job, "x" * 1_000_000)
    asked = request(f"GET /wait?id={job}&include=input HTTP/1.1") * 20
    async with connected(gateway, asked) as wire:
        trickling = asyncio.create_task(trickle(wire))
        await until(lambda: len(gateway.server.handler.connections) == 2)
        await until(lambda: len(gateway.server.handler.connections) == 1)
        trickling.cancel()
    assert gateway.app[ANSWER_BUDGET].held == 0


async def trickle(wire: Wire) -> None:
    """Take what comes, a little at a time."""
    for _ in range(1000):
        await wire.reader.read(20_000)
        await asyncio.sleep(0.05)

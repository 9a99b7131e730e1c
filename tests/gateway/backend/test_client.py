"""A server that is down, silent or replaced by something else; and calls beyond the limit."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest
from aiohttp import web
from blockbuster import BlockingError

from gateway.api.keys import BACKEND
from gateway.settings import Deadlines, GatewaySettings
from shared.settings import ServerSettings
from tests.support.gateway.answers import assert_problem
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_aiohttp import AiohttpServer

    from tests.support.gateway.client import Gateway, StartGateway


UNREACHED: Final = "The Resonate server cannot be reached; repeat with the same id."


TOO_LONG: Final = "The server took too long; try again with the same id."


SATURATED: Final = "Too many calls are running; try again with the same id."


AWAY: Final = "server: it does not answer"


IN_TIME = 12
"""Seconds: a little less than the tests' client waits. On an idle machine it is less than five."""


def away(port: int, **changed: Any) -> GatewaySettings:
    """Return settings of a gateway, with the deadlines of production, for a server at `port`."""
    return GatewaySettings(server=ServerSettings("http://127.0.0.1", port), **changed)


@pytest.mark.alone
async def test_a_server_that_is_down_is_a_503_in_time(
    closed_port: int, job: str, start_gateway: StartGateway
) -> None:
    """Without a server every route that needs it is a 503 in time, and never a 404."""
    gateway = await start_gateway(away(closed_port))
    began = time.monotonic()
    begun, minted, read, ready = await asyncio.gather(
        gateway.begin(job, 1),
        gateway.ask("POST", "/begin"),
        gateway.wait(job),
        gateway.ask("GET", "/readyz"),
    )
    took = time.monotonic() - began

    assert took < IN_TIME
    assert_problem(begun, "backend-unavailable", "/begin", UNREACHED, id=job)
    id = minted.body["id"]
    assert uuid.UUID(id).version == 7
    assert_problem(minted, "backend-unavailable", "/begin", UNREACHED, id=id)
    assert_problem(read, "backend-unavailable", "/wait", UNREACHED)
    assert (ready.status, ready.body["detail"]) == (200, AWAY)


@pytest.mark.alone
async def test_a_server_that_is_silent_is_a_503_in_time(
    silent_port: int, job: str, start_gateway: StartGateway
) -> None:
    """A server that accepts and never answers is a 503 in time, and never a hang."""
    gateway = await start_gateway(away(silent_port))
    began = time.monotonic()
    begun, minted, read, ready, alive = await asyncio.gather(
        gateway.begin(job, 1),
        gateway.ask("POST", "/begin"),
        gateway.wait(job),
        gateway.ask("GET", "/readyz"),
        gateway.ask("GET", "/healthz"),
    )
    took = time.monotonic() - began

    assert took < IN_TIME
    assert alive.status == 200
    assert begun.body["detail"] in {UNREACHED, TOO_LONG}
    assert_problem(begun, "backend-unavailable", "/begin", begun.body["detail"], id=job)
    assert uuid.UUID(minted.body["id"]).version == 7
    assert (minted.status, read.status) == (503, 503)
    assert (ready.status, ready.body["detail"]) == (200, AWAY)


ASKING = [
    ("GET", "/wait?id={job}&wait=20s"),
    ("GET", "/wait?id={job}&include=steps"),
    ("GET", "/result?id={job}"),
    ("GET", "/events?id={job}"),
    ("POST", "/cancel?id={job}"),
    ("POST", "/signal?id={job}&name=a"),
    ("GET", "/list"),
    ("POST", "/begin?id={job}"),
]


@pytest.mark.alone
@pytest.mark.parametrize("how", ["closed_port", "silent_port"])
async def test_every_route_reports_an_outage(
    request: pytest.FixtureRequest,
    how: str,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """Every route that needs the server is a 503 in time, if it is down and if it is silent."""
    gateway = await start_gateway(away(request.getfixturevalue(how)))
    began = time.monotonic()
    answers = await asyncio.gather(
        *(gateway.ask(method, target.format(job=job)) for method, target in ASKING)
    )
    took = time.monotonic() - began

    assert took < IN_TIME
    for (_, target), answer in zip(ASKING, answers, strict=True):
        assert (answer.status, answer.body["type"]) == (503, "/problems/backend-unavailable"), (
            target
        )
        assert answer.headers["Retry-After"] == "1"


async def test_a_server_that_comes_back_is_asked_again(
    tmp_path: Path, job: str, start_gateway: StartGateway
) -> None:
    """While the server is away its executions are never unknown, and afterwards they are back."""
    with resonate_server(tmp_path) as server:
        short = Deadlines(store_attempt=1, store_budget=0.2, offload=2, shutdown=3)
        gateway = await start_gateway(away(server.store_port, deadlines=short))
        created = await gateway.begin(job, 1)
        await asyncio.to_thread(server.kill)
        lost = await asyncio.gather(gateway.wait(job), gateway.begin(job, 1))
        await asyncio.to_thread(server.start)
        found = await gateway.wait(job)
        replay = await gateway.begin(job, 1)
        ready = await gateway.ask("GET", "/readyz")

    assert (created.status, created.body["created"]) == (202, True)
    assert [answer.status for answer in lost] == [503, 503]
    assert lost[1].body["id"] == job
    assert (found.status, found.body["promise_id"]) == (200, job)
    assert replay.body == {**created.body, "created": False}
    assert (ready.status, ready.body["status"]) == (200, "ok")


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, "<html>"),
        (200, "{}"),
        (200, "null"),
        (204, ""),
        (301, ""),
        (401, "<html>"),
        (403, "<html>"),
        (404, "<html>"),
        (409, "<html>"),
        (429, "<html>"),
        (500, "<html>"),
        (502, ""),
    ],
)
async def test_an_answer_that_is_not_the_servers_is_a_503(
    aiohttp_server: AiohttpServer, start_gateway: StartGateway, status: int, text: str, job: str
) -> None:
    """An answer that is not the server's own, of whatever status, becomes a 503."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type="text/html")

    between = web.Application()
    between.router.add_route("*", "/{path:.*}", answer)
    short = Deadlines(store_attempt=1, store_budget=0.1, offload=2, shutdown=3)
    server = await aiohttp_server(between)
    gateway = await start_gateway(away(server.port or 0, deadlines=short))
    answers = [await gateway.begin(job, 1), await gateway.wait(job)]
    ready = await gateway.ask("GET", "/readyz")

    assert [found.status for found in answers] == [503, 503]
    assert {found.body["type"] for found in answers} == {"/problems/backend-unavailable"}
    assert (ready.status, ready.body["detail"]) == (200, AWAY)


async def test_a_full_gateway_refuses_at_once(
    silent_port: int, job: str, start_gateway: StartGateway
) -> None:
    """Calls beyond threads and queue are refused before the accepted calls have ended."""
    short = Deadlines(store_attempt=0.5, store_budget=0, offload=2, shutdown=3)
    settings = away(silent_port, threads=1, queue=1, deadlines=short)
    details = []
    gateway = await start_gateway(settings)
    for next_to_end in asyncio.as_completed([gateway.begin(f"{job}-{n}", 1) for n in range(8)]):
        answer = await next_to_end
        details.append(answer.body["detail"])
        assert answer.body["id"].startswith(job)
        assert_problem(answer, "backend-unavailable", "/begin", details[-1], id=answer.body["id"])

    assert details == [*[SATURATED] * 6, *[UNREACHED] * 2]


async def test_room_is_there_again_after_an_outage(
    silent_port: int, job: str, start_gateway: StartGateway
) -> None:
    """A gateway that was full takes calls again once its running calls have ended."""
    short = Deadlines(store_attempt=0.3, store_budget=0, offload=2, shutdown=3)
    settings = away(silent_port, threads=1, queue=0, deadlines=short)
    gateway = await start_gateway(settings)
    first = await asyncio.gather(*(gateway.wait(f"{job}-{n}") for n in range(4)))
    again = await gateway.wait(job)

    assert sorted(answer.body["detail"] for answer in first) == [UNREACHED, *[SATURATED] * 3]
    assert again.body["detail"] == UNREACHED


async def test_the_guard_sees_blocking_calls(gateway: Gateway) -> None:
    """A call to the server from the loop itself raises, so no other test can pass with one."""
    await gateway.ask("GET", "/readyz")

    with pytest.raises(BlockingError):
        gateway.app[BACKEND]._calls.read_root("blocked")

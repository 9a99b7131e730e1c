"""The checks of the service itself, and the index."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gateway.api.keys import DRAINING
from gateway.settings import Deadlines, GatewaySettings
from shared.settings import ServerSettings
from tests.support.gateway.answers import JSON, assert_problem

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway, StartGateway


async def test_a_full_gateway_says_so_and_lives(
    silent_port: int, start_gateway: StartGateway
) -> None:
    """While the queue of calls is full /readyz says so at once, and /healthz answers 200."""
    settings = GatewaySettings(
        server=ServerSettings("http://127.0.0.1", silent_port),
        threads=2,
        queue=2,
        deadlines=Deadlines(store_attempt=1, store_budget=0, offload=2, shutdown=3),
    )
    gateway = await start_gateway(settings)
    asked = [asyncio.create_task(gateway.wait(f"a{n}")) for n in range(9)]
    first, *_ = await asyncio.gather(*asked[4:])
    ready, alive = await asyncio.gather(
        gateway.ask("GET", "/readyz"), gateway.ask("GET", "/healthz")
    )
    assert not any(task.done() for task in asked[:4])
    await asyncio.gather(*asked)

    assert (first.status, alive.status) == (503, 200)
    assert_problem(ready, "backend-unavailable", "/readyz", "threads: all of them are busy")


async def test_readiness_waits_behind_nobody(
    settings: GatewaySettings, silent_port: int, start_gateway: StartGateway
) -> None:
    """/readyz does not queue behind other calls, and requests at the same time share one check."""
    silent = ServerSettings("http://127.0.0.1", silent_port)
    deadlines = Deadlines(store_attempt=0.5, store_budget=0, offload=1, shutdown=2)
    busy = replace(settings, server=silent, threads=1, queue=50, deadlines=deadlines)
    gateway = await start_gateway(busy)
    asked = [asyncio.create_task(gateway.wait(f"a{n}")) for n in range(20)]
    looks = await asyncio.gather(*(gateway.ask("GET", "/readyz") for _ in range(50)))
    assert not all(task.done() for task in asked)
    await asyncio.gather(*asked)

    assert {look.body["detail"] for look in looks} == {"server: it does not answer"}


AWAY: Final = "server: it does not answer"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_gateway_with_a_server_is_well(gateway: Gateway, path: str) -> None:
    """Both checks answer 200 while the server answers."""
    answer = await gateway.ask("GET", path)

    assert (answer.status, answer.body) == (200, {"status": "ok"})
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_gateway_without_a_server_lives_but_is_not_ready(offline: Gateway) -> None:
    """/healthz is about the process only; /readyz names the check that fails."""
    assert (await offline.ask("GET", "/healthz")).status == 200
    assert_problem(await offline.ask("GET", "/readyz"), "backend-unavailable", "/readyz", AWAY)


async def test_a_draining_gateway_is_not_ready(gateway: Gateway) -> None:
    """/readyz of a gateway that shuts down fails, and other requests are still answered."""
    gateway.app[DRAINING].set()

    answer = await gateway.ask("GET", "/readyz")

    detail = "draining: this gateway is shutting down"
    assert_problem(answer, "backend-unavailable", "/readyz", detail)
    assert (await gateway.ask("GET", "/healthz")).status == 200
    assert (await gateway.ask("POST", "/begin")).status == 202


async def test_the_index_names_paths_that_exist(gateway: Gateway) -> None:
    """Every link of the index is a path that exists."""
    answer = await gateway.ask("GET", "/")

    assert (answer.status, answer.headers["Content-Type"]) == (200, JSON)
    links = answer.body["links"].values()
    answers = [await gateway.ask("OPTIONS", path) for path in links]
    assert {found.status for found in answers} == {405}

"""The checks of the service itself, and the index."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gateway.api.keys import DRAINING
from gateway.settings import Deadlines, GatewaySettings
from shared.settings import ServerSettings
from tests.support.faults.proxy import proxy_to
from tests.support.gateway.answers import JSON, assert_problem
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.processes import Answer
    from tests.support.server import Server


AWAY: Final = "server: it does not answer"
NOT_WRITTEN: Final = "store: the server cannot write to it"


def assert_degraded(answer: Answer, detail: str) -> None:
    """Assert that /readyz leaves the gateway in the load balancer, and says what fails."""
    assert answer.status == 200
    assert answer.body == {"status": "degraded", "presence": "off", "detail": detail}


async def test_a_full_gateway_says_so_and_lives(
    silent_port: int, start_gateway: StartGateway
) -> None:
    """While the queue of calls is full /readyz says so at once, and both checks answer 200."""
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
    assert_degraded(ready, "threads: all of them are busy")


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

    assert {look.body["detail"] for look in looks} == {AWAY}


async def test_readiness_answers_before_orchestrators_give_up(
    silent_port: int, start_gateway: StartGateway
) -> None:
    """A server that accepts and never answers is known as away within a probe's second."""
    gateway = await start_gateway(
        GatewaySettings(server=ServerSettings("http://127.0.0.1", silent_port))
    )
    for _ in range(3):  # the first check, and others while its call goes on
        async with asyncio.timeout(1):
            answer = await gateway.ask("GET", "/readyz")
        assert_degraded(answer, AWAY)


@pytest.mark.parametrize(("path", "also"), [("/healthz", {}), ("/readyz", {"presence": "off"})])
async def test_a_gateway_with_a_server_is_well(
    gateway: Gateway, path: str, also: dict[str, str]
) -> None:
    """Both checks answer 200 while the server answers, also without presence."""
    answer = await gateway.ask("GET", path)

    assert (answer.status, answer.body) == (200, {"status": "ok", **also})
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_gateway_without_a_server_stays_and_says_so(offline: Gateway) -> None:
    """No other gateway would do better: /readyz is no 503, and names the check that fails."""
    assert (await offline.ask("GET", "/healthz")).status == 200
    assert_degraded(await offline.ask("GET", "/readyz"), AWAY)


@pytest.mark.alone
async def test_a_store_that_cannot_be_written_is_degraded(
    tmp_path: Path, start_gateway: StartGateway
) -> None:
    """While another program locks the store, as when its disk is full, nothing could be begun."""
    with resonate_server(tmp_path) as server:
        address = ServerSettings("http://127.0.0.1", server.store_port, server.message_port)
        gateway = await start_gateway(GatewaySettings(server=address))
        store = sqlite3.connect(server.database, isolation_level=None)
        try:
            store.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            refused = await gateway.ask("GET", "/readyz")
            took = time.monotonic() - began
            store.execute("ROLLBACK")
        finally:
            store.close()

        assert_degraded(refused, NOT_WRITTEN)
        assert took < 1
        async with asyncio.timeout(10):
            while (await gateway.ask("GET", "/readyz")).body["status"] != "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_refused_write_is_degraded(server: Server, start_gateway: StartGateway) -> None:
    """A server that answers, and refuses to write, is named as such; so is one that is back."""
    with proxy_to(server.store_port) as proxy:
        gateway = await start_gateway(
            GatewaySettings(
                server=ServerSettings("http://127.0.0.1", proxy.port, server.message_port)
            )
        )
        harm = proxy.harm("POST", "/locks/acquire", "refuse-500")
        refused = await gateway.ask("GET", "/readyz")
        ready = [await gateway.ask("GET", "/readyz") for _ in range(20)]

    assert_degraded(refused, NOT_WRITTEN)
    assert ({answer.body["status"] for answer in ready}, harm.done) == ({"ok"}, 1)


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

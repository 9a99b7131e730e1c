"""Long-polls and what the server notifies: it is enough, and nothing else is shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from gateway.api.keys import LONG_POLLS
from gateway.settings import Deadlines, GatewaySettings
from shared.settings import ServerSettings
from tests.support.gateway.long_polls import subscribed, waiting
from tests.support.gateway.played_worker import resolve
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from pathlib import Path

    from shared.resonate.store import Store
    from tests.support.faults.proxy import Proxy
    from tests.support.gateway.client import Gateway, StartGateway


@pytest.fixture(name="proxied_settings")
def _proxied_settings(settings: GatewaySettings, proxy: Proxy) -> GatewaySettings:
    """Return settings to ask the server through the proxy, and to hear from it directly."""
    deadlines = Deadlines(store_attempt=0.5, store_budget=0, offload=1, shutdown=2)
    through = replace(settings.server, store_port=proxy.port)
    return replace(settings, server=through, deadlines=deadlines)


async def test_the_message_is_enough(
    proxied_settings: GatewaySettings,
    proxy: Proxy,
    store: Store,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """A waiter gets the end from the server's notification, even if nothing can be read."""
    gateway = await start_gateway(proxied_settings)
    await gateway.begin(job, 1)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    await subscribed(gateway, job)
    proxy.harm("GET", "/promises", "cut", 10_000)
    await resolve(store, job)
    answer = await asyncio.wait_for(asked, 5)
    again = await gateway.wait(job)

    assert (answer.body["status"], answer.body["result"]) == ("resolved", {"n": 1})
    assert again.body == answer.body


async def test_asking_again_costs_no_call(
    proxied_settings: GatewaySettings,
    proxy: Proxy,
    store: Store,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """A second wait for an id is answered at its end without a call to the server."""
    gateway = await start_gateway(proxied_settings)
    await gateway.begin(job, 1)
    pending = await gateway.ask("GET", f"/wait?id={job}&wait=1s")
    proxy.harm("GET", "/promises", "cut", 10_000)
    proxy.harm("POST", "/promises", "cut", 10_000)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    await waiting(gateway, 1)
    await resolve(store, job)
    answer = await asyncio.wait_for(asked, 5)

    assert (pending.status, pending.body["status"]) == (200, "pending")
    assert answer.body["done"] is True


async def test_what_was_not_read_is_not_shown(gateway: Gateway, job: str) -> None:
    """An answer from memory has no phase, which only a read can find."""
    await gateway.begin(job, 1)
    looked = await gateway.wait(job)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    await subscribed(gateway, job)
    gateway.app[LONG_POLLS].drain()
    answer = await asyncio.wait_for(asked, 5)

    assert (answer.status, answer.body["status"]) == (200, "pending")
    assert "phase" in looked.body
    assert "phase" not in answer.body


@pytest.mark.parametrize("size", [100_000, 1_000_000])
async def test_a_large_result_wakes_too(
    gateway: Gateway, store: Store, job: str, size: int
) -> None:
    """Waiters get a result of any size."""
    await gateway.begin(job, 1)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    await subscribed(gateway, job)
    large = orjson.dumps(orjson.dumps("x" * size).decode()).decode()
    await asyncio.to_thread(store.promises.resolve, job, ikey=job, data=large)

    answer = await asyncio.wait_for(asked, 5)

    assert answer.body["result"] == "x" * size


async def test_what_was_known_once_is_not_shown_without_the_server(
    settings: GatewaySettings,
    tmp_path: Path,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """A wait that cannot read at its deadline is a 503, whatever an earlier wait has seen."""
    with resonate_server(tmp_path) as server:
        own = ServerSettings("http://127.0.0.1", server.store_port, server.message_port)
        gateway = await start_gateway(replace(settings, server=own))
        await gateway.begin(job, 1)
        before = await gateway.ask("GET", f"/wait?id={job}&wait=1s")
        server.kill()
        after = await gateway.ask("GET", f"/wait?id={job}&wait=2s")

    assert (before.status, before.body["status"]) == (200, "pending")
    assert (after.status, after.body["type"]) == (503, "/problems/backend-unavailable")

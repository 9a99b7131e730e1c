"""Waiting for the end of an execution by long-polls."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from gateway.api.keys import LONG_POLLS
from gateway.settings import Deadlines, GatewaySettings
from shared.settings import ServerSettings
from tests.support.faults.proxy import proxy_to
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.client import until
from tests.support.gateway.played_worker import resolve
from tests.support.server import resonate_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.resonate.store import Store
    from tests.support.faults.proxy import Proxy
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.server import Server


async def waiting(gateway: Gateway, count: int) -> None:
    """Return once `count` executions are waited for."""
    await until(lambda: len(gateway.app[LONG_POLLS]) == count, 5)


async def test_a_finished_job_wakes_every_waiter(gateway: Gateway, store: Store, job: str) -> None:
    """All clients that wait for one id are answered as soon as it has ended."""
    await gateway.begin(job, 1)
    asked = [asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s")) for _ in range(50)]
    await waiting(gateway, 1)

    ended_at = time.monotonic()
    await resolve(store, job)
    answers = await asyncio.gather(*asked)

    assert time.monotonic() - ended_at < 1
    assert {answer.body["status"] for answer in answers} == {"resolved"}
    assert answers[0].body["result"] == {"n": 1}
    assert answers[0].headers["Preference-Applied"] == "wait=20"
    assert len(gateway.app[LONG_POLLS]) == 0


async def test_many_ids_are_waited_for(gateway: Gateway, store: Store, job: str) -> None:
    """Each waiter gets its own execution's end, however many there are."""
    ids = [f"{job}-{n}" for n in range(100)]
    await asyncio.gather(*(gateway.begin(id, 1) for id in ids))
    asked = [asyncio.create_task(gateway.ask("GET", f"/wait?id={id}&wait=20s")) for id in ids]
    await waiting(gateway, 100)

    await asyncio.gather(*(resolve(store, id) for id in ids))
    answers = await asyncio.gather(*asked)

    assert [(a.body["promise_id"], a.body["done"]) for a in answers] == [(id, True) for id in ids]


async def test_at_the_deadline_it_is_pending(gateway: Gateway, job: str) -> None:
    """A wait that runs out answers 200 pending, after about the time that was asked for."""
    await gateway.begin(job, 1)

    began = time.monotonic()
    answer = await gateway.ask("GET", f"/wait?id={job}&wait=1s")

    assert 0.9 < time.monotonic() - began < 3
    assert (answer.status, answer.body["status"]) == (200, "pending")
    assert answer.headers["Retry-After"] == "1"
    assert len(gateway.app[LONG_POLLS]) == 0


async def test_begin_can_wait_too(gateway: Gateway, store: Store, job: str) -> None:
    """A begin that prefers to wait is answered with the outcome if it comes in time."""
    headers = {"Content-Type": "application/json", "Prefer": "wait=20"}
    asked = asyncio.create_task(gateway.ask("POST", f"/begin?id={job}", b"1", headers))
    await waiting(gateway, 1)
    await resolve(store, job)

    answer = await asked

    assert (answer.status, answer.body["created"], answer.body["result"]) == (200, True, {"n": 1})
    assert answer.headers["Preference-Applied"] == "wait=20"


async def test_who_goes_leaves_nothing(gateway: Gateway, job: str) -> None:
    """When the last client of an id has disconnected, the id is no longer watched."""
    await gateway.begin(job, 1)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=1s"))
    await waiting(gateway, 1)
    asked.cancel()

    await waiting(gateway, 0)


async def test_there_is_room_for_so_many(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """Beyond the limit on waiters a request is refused at once, with `Retry-After`."""
    gateway = await start_gateway(replace(settings, waiters=1))
    await gateway.begin(job, 1)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=2s"))
    await waiting(gateway, 1)

    answer = await gateway.ask("GET", f"/wait?id={job}&wait=2s")

    assert (answer.status, answer.body["type"]) == (429, "/problems/too-many-requests")
    assert answer.headers["Retry-After"] == "1"
    assert (await asked).status == 200


async def test_a_begin_that_is_stored_is_never_too_many(
    settings: GatewaySettings,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """Beyond the limit on waiters, a begin that would wait is answered 202 at once."""
    gateway = await start_gateway(replace(settings, waiters=1))
    await gateway.begin(job, 1)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=2s"))
    await waiting(gateway, 1)

    answer = await gateway.ask("POST", f"/begin?id={job}-2", headers={"Prefer": "wait=5"})

    assert (answer.status, answer.body["created"]) == (202, True)
    assert not asked.done()
    assert (await asked).status == 200


async def test_shutting_down_answers_waiters(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """When the gateway shuts down, waiters get the present state at once."""
    gateway = await start_gateway(settings)
    await gateway.begin(job, 1)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    await waiting(gateway, 1)

    gateway.app[LONG_POLLS].drain()

    answer = await asyncio.wait_for(asked, 2)
    assert (answer.status, answer.body["status"]) == (200, "pending")


async def test_a_message_that_is_lost_costs_a_second(
    settings: GatewaySettings,
    store: Store,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """Without a stream from the server, re-reading finds the end all the same."""
    deaf = replace(settings, server=replace(settings.server, message_port=1))
    gateway = await start_gateway(deaf)
    await gateway.begin(job, 1)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    await waiting(gateway, 1)
    await resolve(store, job)

    answer = await asyncio.wait_for(asked, 4)

    assert answer.body["done"] is True


async def test_a_waiter_for_nothing(gateway: Gateway, job: str) -> None:
    """A wait for an unknown id is answered 404 at once."""
    answer = await gateway.ask("GET", f"/wait?id={job}&wait=20s")

    assert_problem(answer, "unknown-id", "/wait", "No execution has this id.", id=job)


@pytest.fixture(name="proxy")
def _proxy(server: Server) -> Iterator[Proxy]:
    with proxy_to(server.store_port) as proxy:
        yield proxy


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


async def subscribed(gateway: Gateway, id: str) -> None:
    """Return once this gateway has subscribed to the end of the execution."""
    await until(lambda: gateway.app[LONG_POLLS]._cache.subscribed(id) is not None, 5)


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


async def test_a_server_that_cannot_be_asked_is_a_503_for_each(
    closed_port: int, job: str, start_gateway: StartGateway
) -> None:
    """Every client that wants to wait is answered 503 in time while the server is down."""
    settings = GatewaySettings(server=ServerSettings("http://127.0.0.1", closed_port))
    gateway = await start_gateway(settings)
    began = time.monotonic()
    answers = await asyncio.gather(
        *(gateway.ask("GET", f"/wait?id={job}-{n % 50}&wait=20s") for n in range(100))
    )

    assert {answer.status for answer in answers} == {503}
    assert time.monotonic() - began < 6


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


async def test_a_crowd_does_not_stop_the_others(gateway: Gateway, store: Store, job: str) -> None:
    """While a thousand waiters are woken, another request is answered in between."""
    await gateway.begin(job, 1)
    done: list[str] = []

    async def ask(target: str) -> None:
        await gateway.ask("GET", target)
        done.append(target)

    crowd = [asyncio.create_task(ask(f"/wait?id={job}&wait=20s")) for _ in range(1000)]
    await until(lambda: len(gateway.app[LONG_POLLS]._limiter) >= 1000, 10)
    await resolve(store, job)
    while not done:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    other = asyncio.create_task(ask("/healthz"))
    await asyncio.gather(other, *crowd)

    assert done.index("/healthz") < 900


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

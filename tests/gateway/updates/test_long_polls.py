"""Waiting for the end of an execution by long-polls."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.api.keys import LONG_POLLS
from gateway.settings import GatewaySettings
from shared.settings import ServerSettings
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.client import until
from tests.support.gateway.long_polls import waiting
from tests.support.gateway.played_worker import resolve

if TYPE_CHECKING:
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway


async def test_a_finished_job_wakes_every_waiter(gateway: Gateway, store: Store, job: str) -> None:
    """All clients that wait for one id are answered as soon as it has ended."""
    await gateway.begin(job, 1)
    asked = [asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s")) for _ in range(50)]
    await waiting(gateway, 1)

    ended_at = time.monotonic()
    await resolve(store, job)
    answers = await asyncio.gather(*asked)

    assert time.monotonic() - ended_at < 10, "they would wait for 20 s"
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

    assert 0.9 < time.monotonic() - began < 12
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
    assert time.monotonic() - began < 12, "they would wait for 20 s"


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

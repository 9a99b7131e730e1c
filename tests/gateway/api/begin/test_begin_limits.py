"""The limit on begins at a time, and begins that would wait where no client may wait."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.api.keys import BEGIN_LIMITER, LONG_POLLS
from tests.support.gateway.client import until
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway


BEGIN: Final = "POST /begin?id=a HTTP/1.1"


async def test_there_is_room_for_so_many_begins(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """Beyond the limit a begin is refused at once, before its body has come."""
    gateway = await start_gateway(replace(settings, begins=1))
    async with connected(gateway, request(BEGIN, "Content-Length: 9")):
        await begins(gateway, 1)
        async with connected(gateway, request(BEGIN, "Content-Length: 9")) as second:
            refused = await second.answer(1)
        read = await gateway.wait(job)

    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert refused.body["type"] == "/problems/too-many-requests"
    assert refused.body["detail"] == "Too many begins are running; try again a little later."
    assert read.status == 404


async def begins(gateway: Gateway, count: int) -> None:
    """Return once `count` begins are running."""
    await until(lambda: len(gateway.app[BEGIN_LIMITER]) == count)


async def test_every_begin_gives_its_place_back(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """A begin leaves the limit when it fails and when it is stored, even if it waits then."""
    gateway = await start_gateway(replace(settings, begins=1))
    prefer = {"Prefer": "wait=20"}
    waits = asyncio.create_task(gateway.ask("POST", f"/begin?id={job}", None, prefer))
    await until(lambda: len(gateway.app[LONG_POLLS]) == 1)
    statuses = [
        (await gateway.begin(f"{job}-{n}", body)).status
        for n, body in enumerate((b"{", 1, b"[1", 2))
    ]
    waits.cancel()
    await asyncio.wait({waits})

    assert statuses == [400, 202, 400, 202]


async def test_a_begin_that_cannot_wait_is_stored_all_the_same(
    settings: GatewaySettings,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """When too many clients wait, a begin with `Prefer: wait` is answered 202 at once."""
    gateway = await start_gateway(replace(settings, waiters=0))
    answer = await gateway.ask("POST", f"/begin?id={job}", None, {"Prefer": "wait=5"})
    read = await gateway.wait(job)

    assert (answer.status, answer.body["created"]) == (202, True)
    assert answer.headers["Preference-Applied"] == "wait=0"
    assert read.status == 200

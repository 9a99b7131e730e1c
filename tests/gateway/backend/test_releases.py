"""What a dead worker held is offered to others at once, by the real server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from deploy.store import indexes
from gateway.api.keys import BACKEND
from gateway.backend.client import Backend
from gateway.backend.server.releases import FEW
from gateway.errors import BackendUnavailable
from gateway.settings import Deadlines
from shared.resonate.tasks import TaskState
from tests.support.gateway.client import until
from tests.support.worker.held import hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.backend.server.releases import Releases
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.faults.proxy import Proxy
    from tests.support.gateway.client import Gateway
    from tests.support.server import Server
    from tests.support.worker.held import Held

NO_SECOND_TRY: Final = Deadlines(store_budget=0)


@pytest.fixture(name="releases")
def _releases(gateway: Gateway) -> Releases:
    return gateway.app[BACKEND].releases


async def test_claims_are_free_at_once(releases: Releases, store: Store, job: str) -> None:
    """Another worker can claim them, long before their leases end; the old claims are over."""
    held = await hold(store, job, 20)

    assert await releases.release(held.claims, []) == 20

    assert not await asyncio.to_thread(held.claim, *held.claims[0])
    await until(lambda: held.count_free(2) == 20, 3)


async def test_what_others_hold_is_left_to_them(releases: Releases, store: Store, job: str) -> None:
    """A claim that has been given to another worker since stays with it."""
    held = await hold(store, job, 3)
    assert await releases.release(held.claims[:1], []) == 1
    await until(lambda: held.claim(held.task(held.ids[0]), 2), 3)

    assert await releases.release(held.claims, []) == 2

    assert await asyncio.to_thread(held.state, 0) is TaskState.HELD


async def test_two_gateways_release_the_same(
    releases: Releases, settings: GatewaySettings, store: Store, job: str
) -> None:
    """Both notice the death: each claim is dropped once, and offered once."""
    held = await hold(store, job, 40)
    backend = Backend(settings)
    try:
        counts = await asyncio.gather(
            releases.release(held.claims, []), backend.releases.release(held.claims, [])
        )
    finally:
        backend.close()

    assert 40 <= sum(counts) <= 80
    await until(lambda: held.count_free(2) == 40, 3)


async def test_what_the_server_refuses_keeps_nothing_else(
    releases: Releases, store: Store, job: str
) -> None:
    """Claims that are over, not yet made or never were are passed over."""
    held = await hold(store, job, 3)
    ended, unclaimed = held.ids[0], f"{job}-unclaimed"
    await asyncio.to_thread(store.promises.resolve, ended, ikey=ended, data="1")
    await asyncio.to_thread(held.begin, unclaimed)
    strange = [("", 1), ("none", 1), ("__invoke:\u0000é", 1), (held.task(held.ids[1]), 7)]
    strange += [(held.task(held.ids[1]), 2**53), (held.task(unclaimed), 1), ("x" * 1024, 0)]

    await releases.release([*strange, *held.claims], [*strange[:3], ("x", 2**53)])

    await until(lambda: all(held.claim(held.task(id), 2) for id in held.ids[2:]), 3)
    # It may have been offered to the worker, whose offer is over then.
    await until(lambda: any(held.claim(held.task(unclaimed), counter) for counter in (1, 2)), 5)


async def test_offers_are_made_again_at_once(releases: Releases, store: Store, job: str) -> None:
    """An offer that a dead worker had kept for later goes to another worker."""
    held = await hold(store, job, 1)
    offer = f"{job}-offered"
    await asyncio.to_thread(held.begin, offer)
    end = time.monotonic() + 10
    while not await releases.release([], [(held.task(offer), 1), held.claims[0]]):
        assert time.monotonic() < end  # the server has not offered it yet

    await until(lambda: held.claim(held.task(offer), 2), 3)
    assert await asyncio.to_thread(held.state, 0) is TaskState.HELD


@pytest.mark.alone
async def test_the_server_is_away(offline: Gateway) -> None:
    """That nothing could be released is an error, soon, however much there is to release."""
    began = time.monotonic()

    with pytest.raises(BackendUnavailable):
        await offline.app[BACKEND].releases.release([("t", n) for n in range(4000)], [])

    assert time.monotonic() - began < 2


async def test_a_call_that_is_not_answered_keeps_no_other(
    proxy: Proxy, settings: GatewaySettings, store: Store, job: str
) -> None:
    """The rest is released, and that something may not be is an error."""
    held = await hold(store, job, FEW)
    server = replace(settings.server, store_port=proxy.port)
    backend = Backend(replace(settings, server=server, deadlines=NO_SECOND_TRY))
    proxy.harm("POST", "/tasks/drop", "cut")
    try:
        with pytest.raises(BackendUnavailable):
            await backend.releases.release(held.claims, [])
    finally:
        backend.close()

    assert await asyncio.to_thread(held.count_free, 1) == 0
    await until(lambda: held.count_free(2) >= FEW - 1, 3)


@pytest.mark.parametrize(
    "harm", ["cut /locks/acquire", "lose /locks/acquire", "lose /locks/release"]
)
async def test_what_cannot_be_handed_back_is_released_one_by_one(
    proxy: Proxy, settings: GatewaySettings, store: Store, job: str, harm: str
) -> None:
    """One call for many may fail, whether it has had an effect or not."""
    how, path = harm.split()
    held = await hold(store, job, 2 * FEW)
    server = replace(settings.server, store_port=proxy.port)
    backend = Backend(replace(settings, server=server, deadlines=NO_SECOND_TRY))
    made = proxy.harm("POST", path, how)
    try:
        await backend.releases.release(held.claims, [])
    finally:
        backend.close()

    assert made.done == 1
    await until(lambda: held.count_free(2) == 2 * FEW, 3)


@pytest.fixture(name="old_triggers")
def _old_triggers(server: Server) -> Iterator[None]:
    """Let the store have no trigger for what dead workers held."""
    with contextlib.closing(sqlite3.connect(server.database, timeout=10)) as database:
        database.execute("DROP TRIGGER durable_tasks_left_behind")
    yield
    indexes.apply(server.database)


@pytest.mark.usefixtures("old_triggers")
async def test_a_storm_leaves_room_for_others(
    gateway: Gateway, releases: Releases, store: Store, job: str
) -> None:
    """Neither a thousand releases nor a client that begins executions waits for the other.

    One by one, each release would take as long as an answer to the client, on any machine.
    """
    held = await hold(store, job, 1000)

    begins = await begins_during(gateway, releases, held, job)

    assert 20 < begins < 300


async def test_a_thousand_claims_are_handed_back_in_a_few_calls(
    gateway: Gateway, releases: Releases, store: Store, job: str
) -> None:
    """All of them are free before a client has begun a few executions."""
    held = await hold(store, job, 1000)

    begins = await begins_during(gateway, releases, held, job)

    assert begins < 20
    await until(lambda: held.count_free(2) == 1000, 10)


async def begins_during(gateway: Gateway, releases: Releases, held: Held, job: str) -> int:
    """Release all that is held; return how many executions a client begins meanwhile."""
    release = asyncio.create_task(releases.release(held.claims, []))
    for number in itertools.count(1):
        answer = await gateway.begin(f"{job}-begin-{number}", 1)
        assert answer.status == 202, answer
        if release.done():
            break
    assert await release == len(held.ids)
    return number

"""What a poll asks of the server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.ids import failed_try_id
from shared.resonate import tags as tag
from shared.resonate.codec import Failure
from tests.support.faults.proxy import proxy_to
from tests.support.gateway.played_worker import begin_step

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway


def fail_try(store: Store, job: str, number: int, pause: float) -> None:
    """Store that a try of the first step has failed, as a worker does."""
    failure = Failure("OSError", "no", "step-1", number).encode()
    marks = {tag.EXECUTION: job, tag.WORKER: "worker-1", tag.FAILED_TRY: failure}
    until = int((time.time() + pause) * 1000)
    store.promises.create(failed_try_id(f"{job}.1", 1, number), until, ikey="x", tags=marks)


@pytest.mark.parametrize("tries", [1, 9, 15])
async def test_a_step_in_its_pause_costs_one_search(
    settings: GatewaySettings, start_gateway: StartGateway, store: Store, job: str, tries: int
) -> None:
    """However often it has failed before, a poll is two calls: the execution, and one search."""
    with proxy_to(settings.server.store_port) as proxy:
        behind = replace(settings, server=replace(settings.server, store_port=proxy.port))
        gateway = await start_gateway(behind)
        await gateway.begin(job, 1)
        await asyncio.to_thread(begin_step, store, job, 1)
        for number in range(1, tries + 1):
            await asyncio.to_thread(fail_try, store, job, number, 60.0)
        proxy.calls.clear()

        answer = await gateway.wait(job)

    assert (answer.body["phase"], answer.body["tries"]) == ("retrying", tries)
    calls = [call for call in proxy.calls if job in call]
    assert len(calls) == 2, calls
    assert len([call for call in calls if call.startswith("GET /promises?")]) == 1


async def test_a_step_behind_its_records_is_found(gateway: Gateway, store: Store, job: str) -> None:
    """After the pause the step is found, though ten and more records are newer."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(begin_step, store, job, 1)
    for number in range(1, 15):
        await asyncio.to_thread(fail_try, store, job, number, 0.05)

    end = time.monotonic() + 10
    while "next_try_at" in (state := (await gateway.wait(job)).body):
        assert time.monotonic() < end, state
        await asyncio.sleep(0.02)

    assert (state["phase"], state["tries"]) == ("retrying", 14)

"""GET /events, row by row of the contract, with a store that plays the workers."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from gateway.api.keys import EVENT_STREAMS
from gateway.model.timeline import key_of_id
from tests.support.gateway.answers import assert_problem
from tests.support.gateway.client import logged_requests
from tests.support.gateway.hostile import HOSTILE, short
from tests.support.gateway.played_worker import begin_step, end_step, resolve
from tests.support.gateway.streams import follow, nobody, streaming

if TYPE_CHECKING:
    from gateway.settings import GatewaySettings
    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway, StartGateway


async def test_a_life_is_streamed(gateway: Gateway, store: Store, job: str) -> None:
    """Each event arrives within about a second, and the stream ends after `done`."""
    await gateway.begin(job, 1)
    async with streaming(gateway, job) as stream:
        await stream.until(lambda s: s.names == ["state"])
        for act, count in ((begin_step, 3), (end_step, 4)):
            acted_at = time.monotonic()
            await asyncio.to_thread(act, store, job, 1)
            await stream.has(count)
            assert stream.events[-1].at - acted_at < 1.3
        ended_at = time.monotonic()
        await resolve(store, job)
        await stream.ended()

    assert stream.events[-1].at - ended_at < 1
    assert [(name, data.get("phase"), data.get("status")) for _, name, data in stream.content] == [
        ("state", "queued", "pending"),
        ("state", "running", "pending"),
        ("step", None, "pending"),
        ("step", None, "resolved"),
        ("done", None, "resolved"),
    ]
    assert stream.events[-1].data["result"] == {"n": 1}
    steps = (await gateway.wait(job, "steps")).body["steps"]
    assert [stream.events[3].data] == steps
    await nobody(gateway)


async def test_a_stream_says_what_it_is(gateway: Gateway, store: Store, job: str) -> None:
    """Headers keep caches and proxies away, name the request, and the stream says when to retry."""
    with capture_logs() as logs:
        await gateway.begin(job, 1)
        await resolve(store, job)
        stream = await follow(gateway, job, X_Request_Id="mine")
        _, line = await logged_requests(logs, 2)

    headers = stream.response.headers
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Request-Id"] == "mine"
    assert stream.retry == 1000
    assert (line["path"], line["execution"], line["status"]) == ("/events", job, 200)


async def test_a_stream_can_be_repeated(
    gateway: Gateway,
    settings: GatewaySettings,
    store: Store,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """Live, afterwards and on another gateway a stream has the same ids and data."""
    await gateway.begin(job, 1)
    other = await start_gateway(settings)
    async with streaming(gateway, job) as live:
        for n in range(1, 8):
            await asyncio.to_thread(begin_step, store, job, n)
            if n % 3:
                await live.has(2 * n + 1)
            await asyncio.to_thread(end_step, store, job, n)
        await resolve(store, job)
        await live.ended()
        again, elsewhere = await follow(gateway, job), await follow(other, job)

    keys = [key_of_id(event.id) for event in live.events]
    assert keys == sorted(set(keys))
    assert len(keys) == 17
    assert again.content == live.content
    assert elsewhere.content == live.content


async def test_every_event_is_a_place_to_go_on(gateway: Gateway, store: Store, job: str) -> None:
    """`Last-Event-ID` continues after that event; after the last event the answer is a 204."""
    await gateway.begin(job, 1)
    for n in (1, 2):
        await asyncio.to_thread(begin_step, store, job, n)
        await asyncio.to_thread(end_step, store, job, n)
    await resolve(store, job)
    events = (await follow(gateway, job)).content

    for position, (id, _, _) in enumerate(events[:-1], 1):
        assert (await follow(gateway, job, Last_Event_ID=id)).content == events[position:]
    assert (await follow(gateway, job, Last_Event_ID="0-0-0")).content == events
    last = await gateway.ask("GET", f"/events?id={job}", None, {"Last-Event-ID": events[-1][0]})
    assert (last.status, last.body) == (204, None)


async def test_a_long_life_is_streamed_whole(gateway: Gateway, store: Store, job: str) -> None:
    """Each of more than a thousand steps is an event, live and afterwards, in the same order."""
    await gateway.begin(job, 1)
    with ThreadPoolExecutor(8) as threads:
        numbers = range(1, 1_201)
        async with streaming(gateway, job) as live:
            begun = threads.map(lambda n: begin_step(store, job, n), numbers)
            await asyncio.to_thread(list, begun)
            await live.until(lambda stream: len(stream.events) > len(numbers), 10)
            await resolve(store, job)
            await live.ended()
        again = await follow(gateway, job)

    assert {event.data["name"] for event in live.events if event.name == "step"} == {
        f"step-{n}" for n in numbers
    }
    assert again.content == live.content


async def test_a_client_may_know_more_than_a_gateway(
    gateway: Gateway,
    settings: GatewaySettings,
    store: Store,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """What a client has seen elsewhere is not repeated by a gateway that learns of it later."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(begin_step, store, job, 1)
    other = await start_gateway(settings)
    async with streaming(gateway, job) as seen:
        await seen.has(3)
        async with streaming(other, job, Last_Event_ID=seen.events[-1].id) as stream:
            await asyncio.to_thread(end_step, store, job, 1)
            await resolve(store, job)
            await stream.ended()

    assert stream.names == ["step", "done"]


async def test_nothing_comes_after_a_cancellation(gateway: Gateway, store: Store, job: str) -> None:
    """The step that was running stays open; what happens to it later changes no stream."""
    await gateway.begin(job, 1)
    await asyncio.to_thread(begin_step, store, job, 1)
    await gateway.ask("POST", f"/cancel?id={job}")
    before = await follow(gateway, job)
    await asyncio.sleep(0.005)  # the server's times are whole milliseconds
    await asyncio.to_thread(end_step, store, job, 1)
    after = await follow(gateway, job)

    assert before.names == ["state", "state", "step", "done"]
    assert before.events[-1].data["status"] == "canceled"
    assert after.content == before.content


async def test_an_unknown_id_is_a_problem(gateway: Gateway, job: str) -> None:
    """An id that the server does not know is a 404 before a stream begins, for HEAD as well."""
    answer = await gateway.ask("GET", f"/events?id={job}")

    assert_problem(answer, "unknown-id", "/events", "No execution has this id.", id=job)
    assert (await gateway.ask("HEAD", f"/events?id={job}")).status == 404
    assert len(gateway.app[EVENT_STREAMS]) == 0


async def test_head_has_no_stream(gateway: Gateway, job: str) -> None:
    """HEAD answers at once with the headers of a stream."""
    await gateway.begin(job, 1)

    answer = await gateway.ask("HEAD", f"/events?id={job}")

    assert (answer.status, answer.body) == (200, None)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("query", HOSTILE, ids=short)
async def test_a_hostile_id_is_refused_and_not_passed_on(offline: Gateway, query: str) -> None:
    """An id that breaks the grammar is answered 400 without a call to the server."""
    answer = await offline.ask("GET", f"/events?{query}")

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request"), answer


@pytest.mark.parametrize(
    "given", ["x", "1", "1-2", "-1-1-1", "1-1-10", "1-2-3-4", "1 2 3", "1" * 20 + "-1-1", "٣-1-1"]
)
async def test_what_is_no_event_id_is_refused(offline: Gateway, given: str) -> None:
    """A `Last-Event-ID` that no stream can have sent is a 400 before a stream begins."""
    answer = await offline.ask("GET", "/events?id=a", None, {"Last-Event-ID": given})

    detail = "Last-Event-ID must be the id of an event of this execution."
    assert_problem(answer, "invalid-request", "/events", detail)


@pytest.mark.parametrize("given", ["", " ", "\t"])
async def test_an_empty_event_id_is_none(
    gateway: Gateway, store: Store, job: str, given: str
) -> None:
    """An empty `Last-Event-ID`, which some clients send at first, has all events sent."""
    await gateway.begin(job)
    await resolve(store, job)

    assert len((await follow(gateway, job, Last_Event_ID=given)).events) == 2
    assert (await follow(gateway, job, Last_Event_ID=given)).events[-1].name == "done"


async def test_without_the_server_no_stream_begins(offline: Gateway) -> None:
    """A server that is away at the start is a 503."""
    answer = await offline.ask("GET", "/events?id=a")

    assert_problem(
        answer,
        "backend-unavailable",
        "/events",
        "The Resonate server cannot be reached; repeat with the same id.",
    )


async def test_streams_need_a_token_like_all_else(
    settings: GatewaySettings, job: str, start_gateway: StartGateway
) -> None:
    """With tokens configured, a stream needs one."""
    gateway = await start_gateway(replace(settings, tokens=("a" * 16,)))
    answer = await gateway.ask("GET", f"/events?id={job}")

    assert (answer.status, answer.body["type"]) == (401, "/problems/unauthorized")


async def test_nothing_is_behind_done_on_any_gateway(
    gateway: Gateway,
    settings: GatewaySettings,
    store: Store,
    job: str,
    start_gateway: StartGateway,
) -> None:
    """After `done` from one gateway another answers 204, even if it has not read the end yet."""
    other = await start_gateway(settings)
    for n in range(12):
        id = f"{job}-{n}"
        await gateway.begin(id, 1)
        async with streaming(other, id) as elsewhere:
            await resolve(store, id)
            done = (await follow(gateway, id)).events[-1]
            again = await other.ask("GET", f"/events?id={id}", None, {"Last-Event-ID": done.id})
            await elsewhere.ended()

        assert (again.status, again.body) == (204, None)

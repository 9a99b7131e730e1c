"""The page's stream: what it shows as it happens, and what it never does."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest

from gateway.dashboard import live, reads
from gateway.dashboard.routes import LIVE
from gateway.settings import GatewaySettings, PresenceSettings
from shared.presence import Claimed, Running
from shared.settings import ServerSettings
from tests.support.dashboard import LiveStream, looking
from tests.support.gateway.client import until
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.store import Store
    from tests.support.faults.proxy import Proxy
    from tests.support.gateway.client import Gateway, StartGateway
    from tests.support.gateway.presence import PresencePort
    from tests.support.gateway.streams import Stream
    from tests.support.server import Server

TASK: Final = "__invoke:job-1"


@pytest.fixture(name="proxied")
def _proxied(proxy: Proxy, server: Server) -> GatewaySettings:
    """Return settings of a gateway that meets the server by the proxy."""
    return GatewaySettings(
        server=ServerSettings("http://127.0.0.1", proxy.port, server.message_port)
    )


def shows(what: Callable[[Any], object]) -> Callable[[Stream], object]:
    """Return a condition on the newest snapshot of a stream."""

    def check(stream: Stream) -> object:
        assert isinstance(stream, LiveStream)
        return stream.newest is not None and what(stream.newest)

    return check


def runs(counter: int, step: str | None, lost_by: str | None = None) -> Running:
    """Return what a worker says of job-1."""
    return Running(
        *(TASK, counter, counter, lost_by, step),
        is_retried=False,
        reports=False,
        function="checkout",
    )


def step_of_first(step: str) -> Running:
    """Return what a worker says of its claim `t-1`."""
    return Running("t-1", 1, 1, None, step, is_retried=False, reports=False)


def lane(snapshot: Any, name: str) -> Any:
    """Return a worker of a snapshot, None if it is not there."""
    return next((each for each in snapshot["workers"] if each["name"] == name), None)


async def polled(gateway: Gateway, id: str, seconds: int) -> None:
    """Let a client wait for an execution that does not end meanwhile."""
    answer = await gateway.ask("GET", f"/wait?id={id}&wait={seconds}s")
    assert answer.body["status"] == "pending"


async def idle(gateway: Gateway) -> None:
    """Return once the gateway makes no snapshots."""
    await until(lambda: not gateway.app[LIVE].is_making)


async def test_a_crash_is_seen(
    gateway: Gateway, port: PresencePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim, its steps, the worker's death, and the worker that goes on: all on an open page.

    It is shown because it happens, not with the next look.
    """
    monkeypatch.setattr(live, "IDLE_SECONDS", 60)
    monkeypatch.setattr(reads, "READ_SECONDS", 60)
    async with looking(gateway) as stream:
        first = await port.greet("a", Claimed(TASK, 1, "job-1"), runs(1, "charge"))
        await stream.until(shows(lambda seen: lane(seen, "worker-a")["bars"][0]["segments"]))
        await first.leave()
        await stream.until(shows(lambda seen: lane(seen, "worker-a")["state"] == "dead"))
        await port.greet("b", Claimed(TASK, 2, "job-1"), runs(2, "charge", "worker-a"))
        await stream.until(shows(lambda seen: seen["recoveries"]["count"]))

    (lost,) = lane(stream.newest, "worker-a")["bars"]
    (bar,) = lane(stream.newest, "worker-b")["bars"]
    last = stream.newest["recoveries"]["last"]
    assert (lost["state"], lost["function"]) == ("lost", "checkout")
    assert (bar["state"], bar["recovered_from"], bar["attempt"]) == ("running", "worker-a", 2)
    assert [each["again"] for each in bar["segments"]] == [True]
    assert (last["id"], last["from"], last["to"], last["step"]) == (
        *("job-1", "worker-a", "worker-b", "charge"),
    )
    assert 0 < last["seconds"] < 10
    assert lost["ended_at"] <= last["at"]


async def test_numbers_are_of_the_newest_executions(
    gateway: Gateway, store: Store, job: str
) -> None:
    """Executions are counted by status and phase, with the rate and the time they take."""
    for number in range(3):
        assert (await gateway.begin(f"{job}-{number}", 1)).status == 202
    assert (await gateway.ask("POST", f"/cancel?id={job}-0")).status == 200
    async with looking(gateway) as stream:
        await stream.until(shows(lambda seen: seen["counts"] and seen["counts"]["sample"] >= 3))
        counts = stream.newest["counts"]
        await gateway.begin(f"{job}-3", 1)
        await stream.until(
            shows(lambda seen: seen["counts"] != counts and seen["counts"]["queued"] >= 3)
        )

    seen = stream.newest
    statuses = ("pending", "resolved", "rejected", "canceled", "timedout")
    assert sum(seen["counts"][status] for status in statuses) == seen["counts"]["sample"]
    assert seen["counts"]["canceled"] >= 1
    assert (seen["server"], seen["presence"]) == ("ok", "off")
    assert seen["begins_per_second"] > 0


async def test_a_quiet_page_costs_little(gateway: Gateway) -> None:
    """Where nothing changes a snapshot is sent only every few seconds."""

    def rests(stream: Stream) -> bool:
        at = [event.data["at"] for event in stream.events]
        return len(at) > 1 and at[-1] - at[-2] > 2_500

    async with looking(gateway) as stream:
        await stream.until(shows(lambda seen: seen["counts"]))
        await stream.until(rests)

    ages = {event.data["at"] for event in stream.events}
    assert len(ages) == len(stream.events)


def searches(proxy: Proxy) -> int:
    """Return how often executions were searched for so far."""
    return sum("id=*" in call or "id=%2A" in call for call in proxy.calls)


async def test_nothing_is_read_while_no_page_is_open(
    proxy: Proxy,
    proxied: GatewaySettings,
    start_gateway: StartGateway,
    job: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The newest executions are read while a page is open, and once one is opened again."""
    monkeypatch.setattr(reads, "READ_SECONDS", 0.3)
    gateway = await start_gateway(proxied)
    assert (await gateway.begin(job, 1)).status == 202
    await polled(gateway, job, 1)
    assert searches(proxy) == 0

    for _ in range(2):
        before = searches(proxy)
        async with looking(gateway) as stream:
            await stream.until(shows(lambda seen: seen["counts"] is not None))
        assert searches(proxy) > before
        await idle(gateway)
    read = searches(proxy)

    await polled(gateway, job, 1)

    assert searches(proxy) == read


async def test_pages_share_what_is_read(
    proxy: Proxy,
    proxied: GatewaySettings,
    start_gateway: StartGateway,
    job: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A further page causes no further read."""
    monkeypatch.setattr(reads, "READ_SECONDS", 60)
    gateway = await start_gateway(proxied)
    assert (await gateway.begin(job, 1)).status == 202
    async with looking(gateway) as one:
        await one.until(shows(lambda seen: seen["counts"] is not None))
        read = searches(proxy)
        async with looking(gateway) as other:
            await other.until(shows(lambda seen: seen["counts"] is not None))
            await polled(gateway, job, 1)

    assert searches(proxy) == read


async def test_numbers_stay_while_the_server_is_away(
    proxy: Proxy,
    proxied: GatewaySettings,
    start_gateway: StartGateway,
    job: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stream goes on, says that the server is away, and shows the last numbers."""
    monkeypatch.setattr(reads, "READ_SECONDS", 0.3)
    deadlines = replace(proxied.deadlines, store_attempt=0.2, store_budget=0.3)
    gateway = await start_gateway(replace(proxied, deadlines=deadlines))
    await gateway.begin(job, 1)
    async with looking(gateway) as stream:
        await stream.until(shows(lambda seen: seen["server"] == "ok" and seen["counts"]))
        searching = proxy.harm("GET", "/promises", "cut", 1_000_000)
        await until(lambda: searching.done)
        for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
            proxy.harm(method, "/", "cut", 1_000_000)
        await stream.until(shows(lambda seen: seen["server"] == "away"))
        assert stream.newest["counts"]["sample"] >= 1
        proxy.heal()
        await stream.until(shows(lambda seen: seen["server"] == "ok"))


async def test_without_a_server_nothing_is_invented(offline: Gateway) -> None:
    """What was never read is null."""
    answer = await offline.ask("GET", "/dashboard/state")

    assert answer.status == 200
    assert answer.body["server"] in {"away", None}
    unknown = ("counts", "begins_per_second", "p50_ms", "p99_ms")
    assert {answer.body[name] for name in unknown} == {None}
    assert answer.body["recoveries"] == {"count": 0, "last": None}


async def test_a_page_may_poll(
    gateway: Gateway, port: PresencePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that polls sees the same, and counts as open for a while only."""
    monkeypatch.setattr(live, "POLL_SECONDS", 1)
    await port.greet("a", Claimed(TASK, 1, "job-1"))

    async def has_worker() -> bool:
        answer = await gateway.ask("GET", "/dashboard/state")
        assert answer.headers["Cache-Control"] == "no-store"
        return lane(answer.body, "worker-a") is not None

    async with asyncio.timeout(10):
        while not await has_worker():  # noqa: ASYNC110 - a page that polls
            await asyncio.sleep(0.05)
    head = await gateway.ask("HEAD", "/dashboard/state")
    assert (head.status, head.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert gateway.app[LIVE].is_making
    await idle(gateway)


async def test_a_slow_page_gets_the_newest(
    gateway: Gateway, port: PresencePort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that does not read holds no queue: when it reads again it misses what was between."""
    monkeypatch.setattr(live, "LEAST_SECONDS", 0.001)
    monkeypatch.setattr(live, "REST", 0)
    wide = [Claimed(f"t-{number}", 1, f"{'x' * 100}-{number}") for number in range(400)]
    worker = await port.greet("a", *wide)
    async with connected(gateway, request("GET /dashboard/live HTTP/1.1")) as wire:
        await wire.reader.readuntil(b"event: state")
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        made = gateway.app[LIVE].made
        for number in itertools.count():
            await worker.say(step_of_first(f"s{number}"))
            await asyncio.sleep(0.005)
            if gateway.app[LIVE].made > made + 400:
                break
        await worker.say(step_of_first("the newest"))
        await until(lambda: b"the newest" in gateway.app[LIVE].raw)
        missed = gateway.app[LIVE].made - made
        wire.writer.transport.resume_reading()  # type: ignore[attr-defined]
        read = bytearray()
        async with asyncio.timeout(20):
            while b"the newest" not in read:
                read += await wire.reader.read(1 << 20)

    assert read.count(b"event: state") < missed / 2


async def test_pages_are_limited(
    settings: GatewaySettings, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit a page is refused at once; one that closes makes room."""
    monkeypatch.setattr(live, "PAGES", 2)
    gateway = await start_gateway(settings)
    async with looking(gateway), looking(gateway):
        answer = await gateway.ask("GET", "/dashboard/live")
        assert (answer.status, answer.body["type"]) == (429, "/problems/too-many-requests")
        assert answer.headers["Retry-After"] == "1"
        assert (await gateway.ask("GET", "/dashboard/state")).status == 200
    await until(lambda: not len(gateway.app[LIVE]))

    async with looking(gateway) as stream:
        await stream.until(shows(bool))


async def test_streams_end_with_the_gateway(gateway: Gateway) -> None:
    """A gateway that drains ends its streams in order, and starts no other."""
    async with looking(gateway) as stream:
        await stream.until(shows(bool))
        gateway.app[LIVE].drain()
        await stream.ended()

    assert stream.retry == 1000
    answer = await gateway.ask("GET", "/dashboard/state")
    assert (answer.status, answer.body["type"]) == (503, "/problems/backend-unavailable")


async def test_a_quiet_stream_is_kept_alive(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no snapshot comes, comments do."""
    monkeypatch.setattr("gateway.dashboard.routes.COMMENT_SECONDS", 0.05)
    async with looking(gateway) as stream:
        await stream.until(lambda stream: len(stream.comments) > 2)


async def test_a_head_of_the_stream_has_no_body(gateway: Gateway) -> None:
    """HEAD answers as GET does, and ends."""
    status, headers, body = await gateway.fetch("HEAD", "/dashboard/live")

    assert (status, headers["Content-Type"], body) == (200, "text/event-stream", b"")
    assert len(gateway.app[LIVE]) == 0


async def test_presence_is_as_readyz_says(
    settings: GatewaySettings, start_gateway: StartGateway
) -> None:
    """With a secret and no workers the page can say what is missing."""
    known = replace(settings, presence=PresenceSettings("secret", "127.0.0.1", 0))
    gateway = await start_gateway(known)

    answer = await gateway.ask("GET", "/dashboard/state")

    assert answer.body["presence"] == "no workers"
    assert orjson.loads(gateway.app[LIVE].raw)["workers"] == []

"""Who may come in, how many at a time, and what is told of it in the log."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
import structlog
from aiohttp import web

from gateway.keys import BEGINS, WATCHERS
from gateway.settings import Deadlines, GatewaySettings
from shared.settings import ServerSettings
from tests.support.gateway.client import assert_problem, requests_told, running_gateway
from tests.support.gateway.raw import connected, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from structlog.typing import EventDict

    from shared.resonate.store import Store
    from tests.support.gateway.client import Gateway

TOKEN: Final = "t-0123456789abcdef"
OTHER: Final = "u" * 40
DETAIL: Final = "send Authorization: Bearer with a token that this service knows"
TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN: Final = "00f067aa0ba902b7"
TRACEPARENT: Final = f"00-{TRACE}-{SPAN}-01"
BEGIN: Final = "POST /begin?id=a HTTP/1.1"


async def _well(_: web.Request) -> web.Response:
    return web.json_response({})


@pytest.fixture(name="closed")
async def _closed(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """A gateway with tokens, and with the routes that others have open."""
    paths = ("/metrics", "/docs", "/docs/{name}", "/openapi.json", "/docsx")
    routes = [web.get(path, _well) for path in paths]
    async with running_gateway(replace(settings, tokens=(OTHER, TOKEN)), routes) as gateway:
        yield gateway


@pytest.fixture(name="log")
def _log() -> Iterator[list[EventDict]]:
    """What is logged."""
    processors = [structlog.contextvars.merge_contextvars]
    with structlog.testing.capture_logs(processors=processors) as events:
        yield events


@pytest.mark.parametrize(
    "given",
    [
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Bearer{TOKEN}",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN} {OTHER}",
        f"Bearer {'x' * 5000}",
        f"Bearer {TOKEN[:-1]}\xff",
        "Bearer \xed\xa0\x80",
        "Bearer \xe2\x98\x83",
    ],
)
async def test_any_other_token_is_refused(closed: Gateway, given: str) -> None:
    """What is not one of the tokens is a 401 that names the scheme, whatever bytes it is."""
    sent = request("GET /list HTTP/1.1", f"Authorization: {given}")
    async with connected(closed, sent) as wire:
        answer = await wire.answer(1)

    assert (answer.status, answer.body["detail"]) == (401, DETAIL)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
@pytest.mark.parametrize("token", [TOKEN, OTHER])
async def test_every_token_lets_in(closed: Gateway, scheme: str, token: str) -> None:
    """Each of the tokens is as good as the others, and the scheme's case is no matter."""
    headers = {"Authorization": f"{scheme} {token}"}

    assert (await closed.ask("GET", "/list", None, headers)).status == 200


async def test_two_headers_are_none(closed: Gateway) -> None:
    """Of several headers none counts: a proxy might have looked at the other one."""
    both = (f"Authorization: Bearer {TOKEN}", f"Authorization: Bearer {TOKEN}")
    async with connected(closed, request("GET /list HTTP/1.1", *both)) as wire:
        assert (await wire.answer()).status == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/docs", 200),
        ("/docs/app.js", 200),
        ("/openapi.json", 200),
        ("/", 401),
        ("/docsx", 401),
        ("/list", 401),
        ("/%6Cist", 401),
        ("/docs/../list", 404),
        ("/docs/..%2Flist", 200),
        ("/healthz/", 401),
        ("//healthz", 401),
    ],
)
async def test_these_paths_are_open(closed: Gateway, path: str, status: int) -> None:
    """What tells of the service itself asks for no token; no other spelling opens more.

    (`..%2Flist` below /docs is the name of a page there.)
    """
    async with connected(closed, request(f"GET {path} HTTP/1.1")) as wire:
        assert (await wire.answer()).status == status


async def test_a_refused_body_is_not_waited_for(closed: Gateway) -> None:
    """Without a token a request is refused before its body has come."""
    async with connected(closed, request(BEGIN, "Content-Length: 1000")) as wire:
        assert (await wire.answer(1)).status == 401


async def test_there_is_room_for_so_many_begins(settings: GatewaySettings, job: str) -> None:
    """Beyond the cap a begin is refused at once, before its body has come; then there is room."""
    async with (
        running_gateway(replace(settings, begins=1)) as gateway,
        connected(gateway, request(BEGIN, "Content-Length: 9")),
    ):
        await begins(gateway, 1)
        async with connected(gateway, request(BEGIN, "Content-Length: 9")) as second:
            refused = await second.answer(1)
        read = await gateway.wait(job)

    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert refused.body["type"] == "/problems/too-many-requests"
    assert refused.body["detail"] == "too many begins are under way; try again a little later"
    assert read.status == 404


async def begins(gateway: Gateway, count: int) -> None:
    """Return once so many begins are under way."""
    async with asyncio.timeout(5):
        while len(gateway.app[BEGINS]) != count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_every_begin_gives_its_place_back(settings: GatewaySettings, job: str) -> None:
    """Whatever becomes of a begin, the next one finds its place, also while the first waits."""
    async with running_gateway(replace(settings, begins=1)) as gateway:
        prefer = {"Prefer": "wait=20"}
        waits = asyncio.create_task(gateway.ask("POST", f"/begin?id={job}", None, prefer))
        async with asyncio.timeout(5):
            while len(gateway.app[WATCHERS]) != 1:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)
        statuses = [
            (await gateway.begin(f"{job}-{n}", body)).status
            for n, body in enumerate((b"{", 1, b"[1", 2))
        ]
        waits.cancel()
        await asyncio.wait({waits})

    assert statuses == [400, 202, 400, 202]


async def test_a_begin_that_cannot_wait_is_stored_all_the_same(
    settings: GatewaySettings, job: str
) -> None:
    """When too many clients wait, a begin that prefers to is answered 202 and did not wait."""
    async with running_gateway(replace(settings, waiters=0)) as gateway:
        answer = await gateway.ask("POST", f"/begin?id={job}", None, {"Prefer": "wait=5"})
        read = await gateway.wait(job)

    assert (answer.status, answer.body["created"]) == (202, True)
    assert answer.headers["Preference-Applied"] == "wait=0"
    assert read.status == 200


async def test_a_full_gateway_says_so_and_lives(silent_port: int) -> None:
    """While every place for calls is taken /readyz names that at once, and /healthz answers."""
    settings = GatewaySettings(
        server=ServerSettings("http://127.0.0.1", silent_port),
        threads=2,
        queue=2,
        deadlines=Deadlines(store_attempt=1, store_budget=0, offload=2, shutdown=3),
    )
    async with running_gateway(settings) as gateway:
        asked = [asyncio.create_task(gateway.wait(f"a{n}")) for n in range(9)]
        first, *_ = await asyncio.gather(*asked[4:])
        ready, alive = await asyncio.gather(
            gateway.ask("GET", "/readyz"), gateway.ask("GET", "/healthz")
        )
        assert not any(task.done() for task in asked[:4])
        await asyncio.gather(*asked)

    assert (first.status, alive.status) == (503, 200)
    assert_problem(ready, "backend-unavailable", "/readyz", "threads: all of them are busy")


async def test_readiness_waits_behind_nobody(settings: GatewaySettings, silent_port: int) -> None:
    """/readyz does not queue behind other calls, and many who ask share one look."""
    silent = ServerSettings("http://127.0.0.1", silent_port)
    deadlines = Deadlines(store_attempt=0.5, store_budget=0, offload=1, shutdown=2)
    busy = replace(settings, server=silent, threads=1, queue=50, deadlines=deadlines)
    async with running_gateway(busy) as gateway:
        asked = [asyncio.create_task(gateway.wait(f"a{n}")) for n in range(20)]
        looks = await asyncio.gather(*(gateway.ask("GET", "/readyz") for _ in range(50)))
        assert not all(task.done() for task in asked)
        await asyncio.gather(*asked)

    assert {look.body["detail"] for look in looks} == {"server: it does not answer"}


async def test_a_request_has_one_line(gateway: Gateway, job: str, log: list[EventDict]) -> None:
    """A line tells the route, the status, the time and the execution, and nothing that was sent."""
    await gateway.begin(job, {"card": "4111"})
    await gateway.ask(
        "GET", f"/wait?id={job}&include=input", None, {"Authorization": "Bearer s3cret"}
    )
    minted = await gateway.ask("POST", "/begin")
    await gateway.ask("GET", "/result?id=a%0Ab&token=s3cret")

    lines = await requests_told(log, 4)
    told = [(line["method"], line["path"], line["status"], line["id"]) for line in lines]
    assert told == [
        ("POST", "/begin", 202, job),
        ("GET", "/wait", 200, job),
        ("POST", "/begin", 202, minted.body["promise"]),
        ("GET", "/result", 400, ""),
    ]
    assert all(line["milliseconds"] >= 0 and line["request_id"] for line in lines)
    assert "s3cret" not in str(log)
    assert "4111" not in str(log)


@pytest.mark.parametrize("path", ["/a%0Ab", "/" + "x" * 5000, "/%00", "/a%1B[31m", "/%ED%A0%80"])
async def test_an_unknown_path_is_one_short_line(
    gateway: Gateway, log: list[EventDict], path: str
) -> None:
    """A path that is none is told as it was sent, but no more of it than fits a line."""
    await gateway.ask("GET", path)

    (line,) = await requests_told(log, 1)
    told = line["path"]
    assert told == path[:256]
    assert told.isprintable()


async def test_a_client_that_went_is_told(gateway: Gateway, job: str, log: list[EventDict]) -> None:
    """A request whose client went has its line as well, with the status 499."""
    await gateway.begin(job)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    async with asyncio.timeout(5):
        while len(gateway.app[WATCHERS]) != 1:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)
    asked.cancel()
    _, line = await requests_told(log, 2)
    assert (line["path"], line["status"]) == ("/wait", 499)


async def test_no_line_is_lost_at_the_end(settings: GatewaySettings, log: list[EventDict]) -> None:
    """A gateway that stops has told of each request, with the moment when that ended."""
    async with running_gateway(settings) as gateway:
        await asyncio.gather(*(gateway.ask("GET", "/nothing") for _ in range(40)))
        ended = datetime.now(UTC)

    lines = [line for line in log if line["event"] == "request"]
    assert len(lines) == 40
    assert max(datetime.fromisoformat(line["timestamp"]) for line in lines) <= ended


async def test_a_trace_is_taken_up(
    gateway: Gateway, store: Store, job: str, log: list[EventDict]
) -> None:
    """A request's `traceparent` is in its lines, and its trace is stored with what it began."""
    headers: dict[str, str] = {"traceparent": TRACEPARENT}
    await gateway.ask("POST", f"/begin?id={job}", None, headers)
    stored = await asyncio.to_thread(store.promises.get, job)

    (line,) = await requests_told(log, 1)
    assert (line["trace_id"], line["span_id"]) == (TRACE, SPAN)
    assert stored.tags["trace"] == TRACE


async def test_a_line_has_its_own_trace(gateway: Gateway, log: list[EventDict]) -> None:
    """What one request has bound is in no line of another that is written with its own."""
    await asyncio.gather(
        gateway.ask("GET", "/traced", None, {"traceparent": TRACEPARENT}),
        *(gateway.ask("GET", "/plain") for _ in range(5)),
    )

    lines = await requests_told(log, 6)
    assert [line["path"] for line in lines if "trace_id" in line] == ["/traced"]


async def test_a_line_that_cannot_be_written_is_one(gateway: Gateway) -> None:
    """After a line that found no room, those that come later are written."""
    told: list[EventDict] = []

    def write(_: object, __: str, event: EventDict) -> EventDict:
        if event["path"] == "/no-room":
            raise OSError(errno.ENOSPC, "no space left on device")
        told.append(event)
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[write])
    try:
        await asyncio.gather(*(gateway.ask("GET", "/no-room") for _ in range(3)))
        await gateway.ask("GET", "/room")
        await requests_told(told, 1)
    finally:
        structlog.configure(processors=before)


async def test_a_bad_trace_is_no_matter(
    gateway: Gateway, store: Store, job: str, log: list[EventDict]
) -> None:
    """What is no `traceparent` is ignored, and the request is served."""
    headers = {"traceparent": TRACEPARENT.upper()}
    answer = await gateway.ask("POST", f"/begin?id={job}", None, headers)
    stored = await asyncio.to_thread(store.promises.get, job)

    assert answer.status == 202
    assert "trace" not in stored.tags
    await requests_told(log, 1)
    assert not [line for line in log if "trace_id" in line]

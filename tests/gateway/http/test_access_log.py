"""Each request is one line of the log."""

from __future__ import annotations

import asyncio
import errno
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
import structlog

from gateway.api.keys import LONG_POLLS
from tests.support.gateway.client import logged_requests, until

if TYPE_CHECKING:
    from structlog.typing import EventDict

    from gateway.settings import GatewaySettings
    from tests.support.gateway.client import Gateway, StartGateway


TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"


SPAN: Final = "00f067aa0ba902b7"


TRACEPARENT: Final = f"00-{TRACE}-{SPAN}-01"


async def test_a_request_has_one_line(gateway: Gateway, job: str, log: list[EventDict]) -> None:
    """A line has the route, the status, the time and the execution, and nothing that was sent."""
    await gateway.begin(job, {"card": "4111"})
    await gateway.ask(
        "GET", f"/wait?id={job}&include=input", None, {"Authorization": "Bearer s3cret"}
    )
    minted = await gateway.ask("POST", "/begin")
    await gateway.ask("GET", "/result?id=a%0Ab&token=s3cret")

    lines = await logged_requests(log, 4)
    shown = [(line["method"], line["path"], line["status"], line["execution"]) for line in lines]
    assert shown == [
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
    """An unknown path is logged as it was sent, up to 256 characters."""
    await gateway.ask("GET", path)

    (line,) = await logged_requests(log, 1)
    shown = line["path"]
    assert shown == path[:256]
    assert shown.isprintable()


async def test_a_client_that_disconnects_is_logged(
    gateway: Gateway, job: str, log: list[EventDict]
) -> None:
    """A request whose client has disconnected is logged with the status 499."""
    await gateway.begin(job)
    asked = asyncio.create_task(gateway.ask("GET", f"/wait?id={job}&wait=20s"))
    await until(lambda: len(gateway.app[LONG_POLLS]) == 1)
    asked.cancel()
    _, line = await logged_requests(log, 2)
    assert (line["path"], line["status"]) == ("/wait", 499)


async def test_no_line_is_lost_at_the_end(
    settings: GatewaySettings, log: list[EventDict], start_gateway: StartGateway
) -> None:
    """A gateway that stops has logged every request, with the time when the request ended."""
    gateway = await start_gateway(settings)
    await asyncio.gather(*(gateway.ask("GET", "/nothing") for _ in range(40)))
    ended = datetime.now(UTC)
    await gateway.close()

    lines = [line for line in log if line["event"] == "request"]
    assert len(lines) == 40
    assert max(datetime.fromisoformat(line["timestamp"]) for line in lines) <= ended


async def test_a_line_has_its_own_trace(gateway: Gateway, log: list[EventDict]) -> None:
    """The trace of one request is in no line of another."""
    await asyncio.gather(
        gateway.ask("GET", "/traced", None, {"traceparent": TRACEPARENT}),
        *(gateway.ask("GET", "/plain") for _ in range(5)),
    )

    lines = await logged_requests(log, 6)
    assert [line["path"] for line in lines if "trace_id" in line] == ["/traced"]


async def test_a_line_that_cannot_be_written_is_one(gateway: Gateway) -> None:
    """After a line could not be written, later lines are written."""
    written: list[EventDict] = []

    def write(_: object, __: str, event: EventDict) -> EventDict:
        if event["path"] == "/no-room":
            raise OSError(errno.ENOSPC, "no space left on device")
        written.append(event)
        raise structlog.DropEvent

    before = structlog.get_config()["processors"]
    structlog.configure(processors=[write])
    try:
        await asyncio.gather(*(gateway.ask("GET", "/no-room") for _ in range(3)))
        await gateway.ask("GET", "/room")
        await logged_requests(written, 1)
    finally:
        structlog.configure(processors=before)

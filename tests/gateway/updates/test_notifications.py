"""The server's stream of notifications is read in whatever pieces it comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.updates import notifications as streams
from gateway.updates.notifications import Notifications
from shared.settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


def line(id: str, **also: Any) -> bytes:
    """Return a message as the server sends it."""
    return b"data: %b\n\n" % orjson.dumps({"type": "notify", "promise": {"id": id, **also}})


LARGE: Final = line("large", value={"data": "x" * 3_000_000})
OTHER: Final = b": nothing\n\ndata: {}\n\nevent: x\ndata: [1]\n\n"


async def heard(pieces: Sequence[bytes]) -> list[str]:
    """Return the ids of the notifications in these pieces, up to the id `last`."""
    ended = asyncio.Event()
    ids: list[str] = []

    def on_end(promise: dict[str, Any]) -> None:
        ids.append(promise["id"])
        if promise["id"] == "last":
            ended.set()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        await ended.wait()
        return response

    app = web.Application()
    app.router.add_get("/{group}/{name}", stream)
    async with TestServer(app) as server:
        settings = ServerSettings("http://127.0.0.1", message_port=server.port or 0)
        notifications = Notifications(settings, "gateway", "a", on_end, lambda: None)
        reading = asyncio.create_task(notifications.run())
        try:
            async with asyncio.timeout(5):
                await ended.wait()
        finally:
            reading.cancel()
            await asyncio.wait({reading})
    return ids


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_pieces_are_put_together(size: int) -> None:
    """Messages in pieces, and many in one piece, are each reported once and in order."""
    sent = OTHER.join((line("a"), line("b"), line("last")))
    pieces = [sent[n : n + size] for n in range(0, len(sent), size)]

    assert await heard(pieces) == ["a", "b", "last"]


async def test_a_message_may_be_long() -> None:
    """A message of megabytes is reported, and so are the messages after it."""
    assert await heard([line("a"), LARGE, line("last")]) == ["a", "large", "last"]


async def test_a_return_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that breaks streams off, or refuses them, has returned with the next whole one.

    Streams that are renewed in time are no return.
    """
    monkeypatch.setattr(streams, "RENEW_SECONDS", 0.1)
    answers = [200, 200, 0, 503, 503, 200, 200, 200]
    opened: list[int] = []
    returns: list[int] = []
    enough = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        answer = answers[len(opened)] if len(opened) < len(answers) else 200
        opened.append(answer)
        if answer == 503:
            return web.Response(status=answer)
        response = web.StreamResponse()
        await response.prepare(request)
        if len(opened) >= len(answers):
            enough.set()
        if answer:
            await enough.wait()
        return response

    app = web.Application()
    app.router.add_get("/{group}/{name}", stream)
    async with TestServer(app) as server:
        settings = ServerSettings("http://127.0.0.1", message_port=server.port or 0)
        reading = asyncio.create_task(
            Notifications(
                settings, "gateway", "a", lambda _: None, lambda: returns.append(len(opened))
            ).run()
        )
        try:
            async with asyncio.timeout(10):
                await enough.wait()
        finally:
            reading.cancel()
            await asyncio.wait({reading})
    assert returns == [6]

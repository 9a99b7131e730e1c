"""Answers with a body: JSON or bytes, with an `ETag` where a client may keep them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import msgspec
from aiohttp import web
from aiohttp.payload import Payload

from gateway.http.budgets import PIECE, SMALL_ANSWER
from gateway.http.keys import ANSWER_BUDGET, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter

    from gateway.http.budgets import AnswerBudget

JSON: Final = "application/json; charset=utf-8"
NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] = NO_STORE
) -> web.Response:
    """Return an answer with this body as JSON, for bodies that are always small."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, headers={"Content-Type": JSON, **headers}
    )


@dataclass(frozen=True)
class Content:
    """The bytes of an answer, and an entity tag that is equal for equal bytes only."""

    raw: bytes
    tag: str

    @classmethod
    def of_json(cls, body: object) -> Self:
        """Encode a body as JSON."""
        return cls.of_bytes(msgspec.json.encode(body))

    @classmethod
    def of_bytes(cls, raw: bytes) -> Self:
        """Take bytes as they are."""
        return cls(raw, hashlib.sha256(raw).hexdigest()[:32])


class LargeBody(Payload):
    """The body of a large answer, sent in pieces, each when the client has taken the one before.

    Its connection holds no more than a piece, and all answers with the same content hold one copy.
    """

    def __init__(self, content: Content, budget: AnswerBudget, seconds: float) -> None:
        super().__init__(content, content_type="application/octet-stream")
        self._size = len(content.raw)
        self._content: Content | None = content
        self._budget = budget
        self._seconds = seconds

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text. Raises `RuntimeError` once it is sent."""
        return self._unsent().raw.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the body. Raises `ConnectionError` if the client has gone or is too slow."""
        content = self._unsent()
        self._content = self._value = None
        tag, raw = content.tag, content.raw
        transport = writer.transport
        with self._budget.sending(tag, raw, transport) as (reader, shared):
            del content, raw
            try:
                async with asyncio.timeout(self._seconds):
                    view = memoryview(shared)
                    for start in range(0, len(shared), PIECE):
                        await writer.write(view[start : start + PIECE])
                        await writer.drain()
                        reader.moved_at = time.monotonic()
            except TimeoutError:
                if transport is not None:
                    transport.abort()
                raise ConnectionResetError("the answer was not taken in time") from None

    def _unsent(self) -> Content:
        if self._content is None:
            raise RuntimeError("a large answer is sent once")
        return self._content


def content_response(
    request: web.Request, content: Content, headers: Mapping[str, str], *, status: int = 200
) -> web.Response:
    """Return an answer of any size. Raises `Overloaded` if there is no room for a large one.

    The content is JSON unless `headers` have another `Content-Type`.
    """
    headers = {"Content-Type": JSON, **headers}
    if len(content.raw) <= SMALL_ANSWER:
        return web.Response(body=content.raw, status=status, headers=headers)
    budget = request.app[ANSWER_BUDGET]
    budget.require(content.tag, len(content.raw))
    seconds = request.app[SETTINGS].limits.answer
    return web.Response(body=LargeBody(content, budget, seconds), status=status, headers=headers)


def tagged_response(
    request: web.Request, content: Content, headers: Mapping[str, str]
) -> web.Response:
    """Return an answer with its `ETag`, or a 304 to a client that has this content already.

    Raises as `content_response` does.
    """
    headers = {"Content-Type": JSON, **headers, "ETag": f'"{content.tag}"'}
    if any(known.value in {content.tag, "*"} for known in request.if_none_match or ()):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    return content_response(request, content, headers)

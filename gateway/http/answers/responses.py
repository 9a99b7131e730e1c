"""Answers with a body: JSON or bytes, with an `ETag` where a client may keep them."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from aiohttp import web
from aiohttp.payload import Payload

from gateway.http.answers.small_response import Head, SmallResponse
from gateway.http.budgets import PIECE, SMALL_ANSWER
from gateway.http.keys import ANSWER_BUDGET, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from aiohttp.abc import AbstractStreamWriter

    from gateway.http.budgets import HeldContent

JSON: Final = "application/json; charset=utf-8"
NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] = NO_STORE
) -> web.Response:
    """Return an answer with this body as JSON, for bodies that are always small."""
    raw = msgspec.json.encode(body)
    return SmallResponse(raw, Head(status, {"Content-Type": JSON, **headers}, len(raw)))


@dataclass(frozen=True)
class Content:
    """The bytes of an answer."""

    raw: bytes

    @functools.cached_property
    def tag(self) -> str:
        """An entity tag that is equal for equal bytes only, made when it is first asked for."""
        return hashlib.sha256(self.raw).hexdigest()[:32]

    def tagged_head(self, headers: Mapping[str, str]) -> Head:
        """Return the head of an answer 200 with these headers; it is kept for later answers."""
        key = tuple(headers.items())
        head = self._heads.get(key)
        if head is None:
            tag = f'"{self.tag}"'
            typed = {"Content-Type": JSON, **headers, "ETag": tag}
            head = self._heads[key] = Head(200, typed, len(self.raw))
        return head

    @functools.cached_property
    def _heads(self) -> dict[tuple[tuple[str, str], ...], Head]:
        return {}

    @classmethod
    def of_json(cls, body: object) -> Self:
        """Encode a body as JSON."""
        return cls(msgspec.json.encode(body))


@dataclass(frozen=True)
class LateContent:
    """The content of an answer with values that are not read yet.

    `size` are the bytes for which there must be room before `read` is called.
    """

    tag: str
    size: int
    read: Callable[[], Coroutine[Any, Any, bytes]]


class LargeBody(Payload):
    """The body of a large answer, sent in pieces, each when the client has taken the one before.

    Its connection holds no more than a piece, and all answers with the same content hold one copy.
    """

    def __init__(self, held: HeldContent, seconds: float) -> None:
        super().__init__(None, content_type="application/octet-stream")
        self._size = len(held.raw)
        self._held: HeldContent | None = held
        self._seconds = seconds

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text. Raises `RuntimeError` once it is sent."""
        return self._unsent().raw.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the body. Raises `ConnectionError` if the client has gone or is too slow."""
        held = self._unsent()
        self._held = None
        transport = writer.transport
        with held.sending(transport) as reader:
            try:
                async with asyncio.timeout(self._seconds):
                    view = memoryview(held.raw)
                    for start in range(0, len(view), PIECE):
                        await writer.write(view[start : start + PIECE])
                        await writer.drain()
                        reader.moved_at = time.monotonic()
            except TimeoutError:
                if transport is not None:
                    transport.abort()
                raise ConnectionResetError("the answer was not taken in time") from None

    def _unsent(self) -> HeldContent:
        if self._held is None:
            raise RuntimeError("a large answer is sent once")
        return self._held


async def content_response(
    request: web.Request,
    content: Content | LateContent,
    headers: Mapping[str, str],
    *,
    status: int = 200,
) -> web.Response:
    """Return an answer of any size. Raises `Overloaded` if there is no room for a large one.

    Late content is read then; raises what its `read` raises. A HEAD needs no content, so its answer
    has no length if the content is late. The content is JSON unless `headers` have another
    `Content-Type`.
    """
    headers = {"Content-Type": JSON, **headers}
    if isinstance(content, LateContent):
        if request.method == "HEAD":
            return web.Response(status=status, headers=headers)
        held = request.app[ANSWER_BUDGET].hold(content.tag, content.size)
        await held.read(content.read)
    elif len(content.raw) <= SMALL_ANSWER:
        return SmallResponse(content.raw, Head(status, headers, len(content.raw)))
    else:
        held = request.app[ANSWER_BUDGET].hold(content.tag, len(content.raw))
        held.set(content.raw)
    if len(held.raw) <= SMALL_ANSWER:  # known only now
        return SmallResponse(held.raw, Head(status, headers, len(held.raw)))
    body = LargeBody(held, request.app[SETTINGS].limits.answer)
    return web.Response(body=body, status=status, headers=headers)


async def tagged_response(
    request: web.Request, content: Content | LateContent, headers: Mapping[str, str]
) -> web.Response:
    """Return an answer with its `ETag`, or a 304 to a client that has this content already.

    Raises as `content_response` does.
    """
    if "If-None-Match" in request.headers and _is_known(request, content.tag):
        unchanged = {**headers, "ETag": f'"{content.tag}"'}
        unchanged.pop("Content-Type", None)
        return web.Response(status=304, headers=unchanged)
    if isinstance(content, Content) and len(content.raw) <= SMALL_ANSWER:
        return SmallResponse(content.raw, content.tagged_head(headers))
    return await content_response(request, content, {**headers, "ETag": f'"{content.tag}"'})


def _is_known(request: web.Request, tag: str) -> bool:
    return any(known.value in {tag, "*"} for known in request.if_none_match or ())

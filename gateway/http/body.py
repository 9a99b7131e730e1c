"""Reads a request's body: only when it is wanted, within its time and its size, inflated or not."""

from __future__ import annotations

import asyncio
import codecs
import zlib
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11, web

from gateway.errors import InvalidRequest, UnsupportedMediaType
from gateway.http.budgets import BodyShare
from gateway.http.keys import BODY_BUDGET, BODY_SHARE, SETTINGS

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.typedefs import Handler

CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS
"""For zlib: detect by its header which of the two formats the data has."""

BYTE_ORDER_MARK: Final = codecs.BOM_UTF8
OTHER_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
"""Marks of encodings that JSON may not have; the one of UTF-32 LE begins like that of UTF-16 LE."""

BROKEN: Final = "The body is not what its headers say, or it was cut off."


async def expect(_: web.Request) -> None:
    """Leave `Expect: 100-continue` unanswered, so that a request can be refused unread."""


async def read_body(request: web.Request) -> bytes:
    """Return the body without its byte order mark, empty if it holds only white space.

    Raises as `read_raw`, and for a body of another kind or coding `UnsupportedMediaType`, before it
    is read where the headers show that.
    """
    _require_small(request)
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in CODINGS and coding != "identity" and request.body_exists:
        raise UnsupportedMediaType("Send the body as it is, or with Content-Encoding: gzip.")
    raw = await read_raw(request)
    if raw and coding in CODINGS:
        raw = _inflated(raw, request.app[SETTINGS].max_body)
        request[BODY_SHARE].resize(len(raw))
    if not raw.removeprefix(BYTE_ORDER_MARK).strip():
        return b""
    if request.content_type != "application/json":
        raise UnsupportedMediaType("Send the body with Content-Type: application/json.")
    return _unmarked(raw)


async def read_raw(request: web.Request) -> bytes:
    """Return the body as it is sent.

    Raises `InvalidRequest`, `Overloaded`, or aiohttp's 413; before the body is read where the
    headers show that it is too large.
    """
    _require_small(request)
    share = request[BODY_SHARE]
    share.require(request.content_length or 0)
    if request.version >= HttpVersion11 and _expects_continue(request):
        await _continue(request.writer)
    try:
        return await _arrived(request, share)
    except web.RequestPayloadError as error:
        raise InvalidRequest(BROKEN) from error
    except TimeoutError as error:
        limit = request.app[SETTINGS].limits.body
        raise InvalidRequest(f"The body did not arrive within {limit:g} s.") from error


def _require_small(request: web.Request) -> None:
    limit = request.app[SETTINGS].max_body
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit)


def _unmarked(raw: bytes) -> bytes:
    """Return a body without the byte order mark of UTF-8, which some Windows programs write."""
    raw = raw.removeprefix(BYTE_ORDER_MARK)
    if raw.startswith(BYTE_ORDER_MARK):
        raise InvalidRequest("The body begins with more than one byte order mark.")
    if raw.startswith(OTHER_MARKS):
        raise InvalidRequest(
            "The body begins with the byte order mark of UTF-16 or UTF-32; send it in UTF-8."
        )
    return raw


async def _arrived(request: web.Request, share: BodyShare) -> bytes:
    """Return the body as it is sent, all of it counted as it arrives. Raises `TimeoutError`."""
    settings = request.app[SETTINGS]
    if request.content.is_eof():  # it came with the head
        body = request.content.read_nowait()
        _count(len(body), share, settings.max_body)
        return body
    parts = bytearray()
    async with asyncio.timeout(settings.limits.body):
        while chunk := await request.content.readany():
            _count(len(parts) + len(chunk), share, settings.max_body)
            parts += chunk
    return bytes(parts)


def _count(size: int, share: BodyShare, limit: int) -> None:
    """Count the bytes of a body. Raises aiohttp's 413, or `Overloaded`."""
    if size > limit:
        raise web.HTTPRequestEntityTooLarge(limit)
    share.resize(size)


@web.middleware
async def count_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request a share of the budget for bodies, and take it back at the end."""
    share = request[BODY_SHARE] = BodyShare(request.app[BODY_BUDGET])
    try:
        return await handler(request)
    finally:
        share.resize(0)


def _expects_continue(request: web.Request) -> bool:
    return request.headers.get("Expect", "").strip().lower() == "100-continue"


async def _continue(writer: AbstractStreamWriter) -> None:
    await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    writer.output_size = 0  # or aiohttp would take it for a part of the answer


def _inflated(raw: bytes, limit: int) -> bytes:
    """Return the inflated body, of which at most one byte more than the limit is made."""
    inflating = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        plain = inflating.decompress(raw, limit + 1)
    except zlib.error as error:
        raise InvalidRequest(BROKEN) from error
    if len(plain) > limit:
        raise web.HTTPRequestEntityTooLarge(limit)
    if not inflating.eof or inflating.unused_data:
        raise InvalidRequest(BROKEN)
    return plain

"""Answers with a body: JSON or bytes, with an `ETag` where a client may keep them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

JSON: Final = "application/json; charset=utf-8"
NO_STORE: Final[Mapping[str, str]] = {"Cache-Control": "no-store"}


def json_response(
    body: object, *, status: int = 200, headers: Mapping[str, str] = NO_STORE
) -> web.Response:
    """Return an answer with this body as JSON."""
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


def tagged_response(
    request: web.Request, content: Content, headers: Mapping[str, str]
) -> web.Response:
    """Return an answer with its `ETag`, or a 304 to a client that has this content already.

    The content is JSON unless `headers` have another `Content-Type`.
    """
    headers = {"Content-Type": JSON, **headers, "ETag": f'"{content.tag}"'}
    if any(known.value in {content.tag, "*"} for known in request.if_none_match or ()):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    return web.Response(body=content.raw, headers=headers)

"""Bearer tokens: who may call what."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from aiohttp import web

from gateway.errors import Unauthorized
from gateway.keys import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohttp.typedefs import Handler

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
BELOW_DOCS: Final = "/docs/"


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who has one of the tokens, or everybody where there are none."""
    tokens = request.app[SETTINGS].tokens
    given = request.headers.getall("Authorization", ())
    if tokens and not _is_open(request) and not _has_one_of(given, tokens):
        raise Unauthorized("send Authorization: Bearer with a token that this service knows")
    return await handler(request)


def is_open(path: str) -> bool:
    """Tell whether a path asks for no token; what the page at /docs is made of does not either."""
    return path in OPEN_PATHS or path.startswith(BELOW_DOCS)


def _is_open(request: web.Request) -> bool:
    """Judge the route that was found: a path can be written in more ways than one."""
    resource = request.match_info.route.resource
    return is_open(request.path if resource is None else resource.canonical)


def _has_one_of(headers: Sequence[str], tokens: Iterable[str]) -> bool:
    """Tell whether the one header is right, in a time that tells nothing of how near it is."""
    scheme, _, given = (headers[0] if len(headers) == 1 else "").partition(" ")
    digest = _digest(given.strip())
    matches = [hmac.compare_digest(digest, _digest(token)) for token in tokens]
    return scheme.lower() == "bearer" and any(matches)


def _digest(token: str) -> bytes:
    """Return what is of one length for all tokens; headers may hold bytes that are no text."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

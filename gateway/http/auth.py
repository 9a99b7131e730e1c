"""Bearer tokens: who may call which path."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from gateway.errors import Unauthorized
from gateway.http.keys import SETTINGS
from gateway.http.routing import path_of_route, prefers_html

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiohttp import web

PAGE_FILES: Final = "/dashboard/{file}"
"""The route of the files of the page at /, which hold no data."""

OPEN_PATHS: Final = frozenset(
    {"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", PAGE_FILES}
)
OPEN_PREFIX: Final = "/docs/"
"""Prefix of the paths of the files that the page at /docs loads."""


def require_token(request: web.Request) -> None:
    """Raise `Unauthorized` unless the request has one of the tokens, where tokens are set."""
    tokens = request.app[SETTINGS].tokens
    if not tokens or _needs_no_token(request):
        return
    if not _has_token(request.headers.getall("Authorization", ()), tokens):
        raise Unauthorized("Send Authorization: Bearer with a token that this service knows.")


def is_open_path(path: str) -> bool:
    """Return whether a path needs no token."""
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)


def _needs_no_token(request: web.Request) -> bool:
    # Check the route: one path can be written in several ways.
    path = path_of_route(request) or request.path
    # The page asks for a token itself, for all that it reads.
    return is_open_path(path) or (path == "/" and prefers_html(request))


def _has_token(headers: Sequence[str], tokens: Iterable[str]) -> bool:
    """Return whether there is one header and it holds one of the tokens."""
    scheme, _, credentials = (headers[0] if len(headers) == 1 else "").partition(" ")
    # Every token is compared, in constant time, so that timing shows nothing about any of them.
    digest = _digest(credentials.strip())
    matches = [hmac.compare_digest(digest, _digest(token)) for token in tokens]
    return scheme.lower() == "bearer" and any(matches)


def _digest(token: str) -> bytes:
    # Digests have one length; header values may hold bytes that are no UTF-8.
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

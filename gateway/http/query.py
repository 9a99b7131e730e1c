"""Query parameters: each known, each given once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import InvalidRequest

if TYPE_CHECKING:
    from aiohttp import web

SHOWN_LENGTH = 64
"""Characters of an unknown parameter that an answer repeats."""


def query_of(request: web.Request, *known: str) -> dict[str, str]:
    """Return the query parameters. Raises `InvalidRequest` for repeated and for unknown ones."""
    query: dict[str, str] = {}
    for key, value in request.query.items():
        if key not in known:
            name = key[:SHOWN_LENGTH]
            raise InvalidRequest(f"Unknown parameter {name!r}; known: {', '.join(known)}.")
        if key in query:
            raise InvalidRequest(f"The parameter {key!r} is given more than once.")
        query[key] = value
    return query

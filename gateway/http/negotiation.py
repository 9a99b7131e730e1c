"""Whether a client wants a page for people, or JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiohttp import web

QUALITY: Final = re.compile(r"q=([01](?:\.\d{0,3})?)", re.IGNORECASE)
"""The weight of a media range (RFC 9110, 12.4.2); without one it is 1."""


def prefers_html(request: web.Request) -> bool:
    """Return whether a client wants HTML more than JSON, as browsers do and nobody else.

    Who takes anything, as curl does, or names both, gets JSON.
    """
    accepted = ",".join(request.headers.getall("Accept", ()))
    return bool(accepted) and _wish(accepted, "text/html") > _wish(accepted, "application/json")


def _wish(accepted: str, kind: str) -> tuple[float, int]:
    """Return the weight of a media type, and how exactly it is named: 2, 1 by `/*`, 0 by `*/*`."""
    ranges = ("*/*", f"{kind.partition('/')[0]}/*", kind)
    weight, exactness = 0.0, -1
    for each in accepted.split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        if name.lower() not in ranges or ranges.index(name.lower()) < exactness:
            continue
        found = filter(None, map(QUALITY.fullmatch, parameters))
        weight = next((float(match[1]) for match in found), 1.0)
        exactness = ranges.index(name.lower())
    return weight, exactness if weight else -1

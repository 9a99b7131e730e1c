"""The server's cursors: JSON Web Tokens that contain a whole search, signed with a public key.

The server trusts a cursor and crashes if its search is invalid (a limit of 0, an empty id). So no
cursor leaves this process: clients get the position in it, and the next page's cursor is built from
that position and from the client's search.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.resonate.states import STATES_OF_SEARCH

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY: Final = b"resonate"
"""Signing key, public in the server's source (internal/kernel/t_api/cursor.go)."""

HIGHEST: Final = 2**31 - 1
"""Highest position, since the server compares positions as 32-bit integers on PostgreSQL.

Positions number the rows of the server's table, from the oldest.
"""


def is_position(value: object) -> bool:
    """Return whether a value can be a position in a search."""
    return type(value) is int and 1 <= value <= HIGHEST


def position_of(cursor: str) -> int:
    """Return the position in a cursor of the server. Raises `ValueError` for any other text."""
    try:
        payload = cursor.split(".")[1]
        padded = payload + "=" * (-len(payload) % 4)
        position = orjson.loads(base64.urlsafe_b64decode(padded))["Next"]["sortId"]
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError("not a cursor of the server") from error
    if not is_position(position):
        raise ValueError("not a cursor of the server")
    return int(position)


def cursor_at(
    position: int, pattern: str, tags: Mapping[str, str], state: str | None, limit: int
) -> str:
    """Return a cursor for the page of this search that follows the position."""
    if not (is_position(position) and pattern and limit > 0):
        raise ValueError("this cursor would crash the server")
    search: dict[str, Any] = {
        "id": pattern,
        "states": STATES_OF_SEARCH[state],
        "tags": dict(tags),
        "limit": limit,
        "sortId": position,
    }
    signed = b".".join(map(_encoded, ({"alg": "HS256", "typ": "JWT"}, {"Next": search})))
    signature = hmac.digest(KEY, signed, hashlib.sha256)
    return b".".join((signed, _unpadded(signature))).decode()


def _encoded(value: object) -> bytes:
    return _unpadded(orjson.dumps(value))


def _unpadded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")

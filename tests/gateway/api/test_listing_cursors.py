"""Cursors of /list: one that this service did not make, or made for other filters, is refused."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from tests.support.gateway.client import Gateway
    from tests.support.server import Server


def encoded(value: object) -> str:
    """Return a value in the form of a cursor."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


def servers_own(search: object) -> str:
    """Return a cursor of the server's own, signed with its key, which is public."""
    head, body = (encoded(part).rstrip("=") for part in ({"alg": "HS256"}, {"Next": search}))
    signature = hmac.digest(b"resonate", f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


SEARCH: dict[str, Any] = {"id": "*", "states": ["PENDING"], "tags": {}, "limit": 1, "sortId": 5}
SEARCHES: list[Any] = [
    None,
    {},
    SEARCH,
    *({**SEARCH, "limit": limit} for limit in (0, -1, None, 10**6)),
    *({**SEARCH, "id": id} for id in ("", None, "%")),
    *({key: value for key, value in SEARCH.items() if key != missing} for missing in SEARCH),
]
ODD: list[Any] = [0, -1, 1.5, True, None, "", "5", [], {}, 2**31, 2**63, float("nan"), float("inf")]
HONEST: list[Any] = [5, None, None, ""]
BY_HAND = {
    "a search as the server takes it": [servers_own(search) for search in SEARCHES],
    "such a search in a cursor of ours": [
        encoded([servers_own(search), *HONEST[1:]]) for search in SEARCHES
    ],
    "an odd position": [encoded([position, *HONEST[1:]]) for position in ODD],
    "a field left out": [encoded(HONEST[:n] + HONEST[n + 1 :]) for n in range(len(HONEST))],
    "another field": [
        encoded([*HONEST[:n], "x" if value is None else None, *HONEST[n + 1 :]])
        for n, value in enumerate(HONEST)
    ],
    "one more field": [encoded([*HONEST, "x"]), encoded([HONEST]), encoded({"position": 5})],
    "no list": [encoded(value) for value in ODD],
    "no JSON": ["", "x", "!", "%FF", base64.b64encode(b"\xff\xfe").decode(), "e" * 4000],
}


@pytest.mark.parametrize("kind", BY_HAND)
async def test_a_cursor_made_by_hand_is_refused(
    gateway: Gateway, server: Server, kind: str
) -> None:
    """No forged cursor reaches the server; some of these would end its process."""
    answers = [
        await gateway.ask("GET", f"/list?limit=1&cursor={quote(cursor, safe='%')}")
        for cursor in BY_HAND[kind]
    ]

    alive = await gateway.ask("GET", "/list?limit=1")
    assert {(answer.status, answer.body["type"]) for answer in answers} == {
        (400, "/problems/invalid-request")
    }
    assert alive.status == 200
    assert server.child is not None
    assert server.child.poll() is None


@pytest.mark.parametrize("position", [1, 5, 2**31 - 1])
async def test_any_position_is_a_page(gateway: Gateway, position: int) -> None:
    """A cursor is a position in the list, and every position may be asked for."""
    cursor = encoded([position, *HONEST[1:]])

    answer = await gateway.ask("GET", f"/list?limit=1&cursor={cursor}")

    assert answer.status == 200
    assert len(answer.body["items"]) <= 1


async def test_a_cursor_goes_with_its_filters(gateway: Gateway, job: str) -> None:
    """A cursor of a list with other filters is refused, and so is a forged cursor."""
    for n in range(3):
        await gateway.begin(f"{job}-{n}", 1)
    cursor = (await gateway.ask("GET", f"/list?prefix={job}&limit=1")).body["next_cursor"]

    other = await gateway.ask("GET", f"/list?limit=1&cursor={cursor}")
    forged = await gateway.ask("GET", "/list?cursor=WyJ4IixudWxsLG51bGwsIiJd")

    assert [answer.status for answer in (other, forged)] == [400, 400]

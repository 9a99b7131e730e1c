"""Pages of /list: never more than asked for, nothing twice, nothing left out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.contract.gateways import Gateway

COUNT = 230


async def walk(gateway: Gateway, prefix: str, limit: int) -> list[list[str]]:
    """Return the ids of each page."""
    pages: list[list[str]] = []
    cursor = ""
    while True:
        answer = await gateway.ask("GET", f"/list?prefix={prefix}&limit={limit}{cursor}")
        pages.append([item["id"] for item in answer.body["items"]])
        if answer.body["next_cursor"] is None:
            return pages
        cursor = f"&cursor={answer.body['next_cursor']}"


@pytest.mark.parametrize("limit", [7, 100, 101, 120, 150, 199, 200])
async def test_a_page_holds_no_more_than_its_limit(gateway: Gateway, job: str, limit: int) -> None:
    """Whatever the limit, pages keep to it, and together hold everything once."""
    # `_` would match any character: the neighbours must neither show nor take places.
    ids = [f"{job}_a-{n}" for n in range(COUNT)]
    others = [f"{job}xa-{n}" for n in range(40)]
    await asyncio.gather(*(gateway.begin(id, 1) for id in ids + others))

    pages = await walk(gateway, f"{job}_", limit)

    assert max(map(len, pages)) <= limit
    assert sorted(id for page in pages for id in page) == sorted(ids)


async def test_a_cursor_goes_with_its_limit(gateway: Gateway, job: str) -> None:
    """With another limit a cursor cannot be followed exactly, so it is a 400 that says so."""
    await asyncio.gather(*(gateway.begin(f"{job}-{n}", 1) for n in range(12)))
    first = await gateway.ask("GET", f"/list?prefix={job}&limit=10")

    answer = await gateway.ask(
        "GET", f"/list?prefix={job}&limit=5&cursor={first.body['next_cursor']}"
    )

    assert (answer.status, answer.body["type"]) == (400, "/problems/invalid-request")
    assert "limit" in answer.body["detail"]

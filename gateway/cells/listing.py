"""GET /list of all cells, each of which lists its own executions newest first.

A cursor says how far the list of each cell has been shown, by the position of the last row. So that
it says exactly this, a cell that has given more than fits on the page is asked once more, for as
many as do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from gateway.api.listing import (
    FILTERS,
    INVALID_CURSOR,
    PageBody,
    asked_of,
    cursor_of,
    page_of,
    position_of,
)
from gateway.cells.forwarding import asking_headers
from gateway.cells.gateways import Question
from gateway.errors import BackendUnavailable, InvalidRequest
from gateway.http.answers.responses import json_response
from shared.resonate.cursors import is_position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

    from gateway.api.listing import Asked, Filters
    from gateway.cells.hash_slots import SlotMap
    from gateway.cells.peers import Peers
    from gateway.cells.routing import Router
    from gateway.model.bodies import ItemBody

LIST_SECONDS: Final = 3.0
"""Seconds that a cell has for its part of a page; then it counts as away."""

END: Final = 0
"""Instead of the position in a list that has ended. None is that in one that has not begun."""


class _Part(NamedTuple):
    """What a page has of one cell, and the position in the cell's list up to which that is all."""

    items: list[ItemBody]
    position: int


@dataclass(frozen=True)
class Lists:
    """The lists of all cells."""

    router: Router
    peers: Peers

    async def listing(self, request: web.Request) -> web.Response:
        """Answer a page of all cells, or of this one alone if another cell's gateway asks."""
        asked = asked_of(request)
        if self.router.hop_of(request) is not None:
            return json_response(await page_of(request.app, asked))
        return json_response(await _Page(self, request, asked).made())

    @property
    def slots(self) -> SlotMap:
        return self.router.ids.slots

    async def page(self, request: web.Request, cell: str, asked: Asked) -> PageBody:
        """Return a page of one cell. Raises `BackendUnavailable` or `TimeoutError`."""
        if cell == self.router.ids.name:
            async with asyncio.timeout(LIST_SECONDS):
                return await page_of(request.app, asked)
        question = Question(
            "GET", f"/list?{urlencode(_query(asked))}", asking_headers(request), None, LIST_SECONDS
        )
        raw = await self.peers.read(self.slots, cell, question)
        try:
            return msgspec.json.decode(raw, type=PageBody)
        except msgspec.MsgspecError as error:
            raise BackendUnavailable(f"Cell {cell} is of another release.") from error


class _Page:
    """One page, as it is made."""

    def __init__(self, lists: Lists, request: web.Request, asked: Asked) -> None:
        self._lists = lists
        self._request = request
        self._asked = asked
        self._positions: dict[str, int | None] = _positions(asked, lists.slots.cells)
        self._away: set[str] = set()

    async def made(self) -> PageBody:
        """Return the page. Raises `BackendUnavailable` if no cell answers."""
        limit = self._asked.limit
        going_on = [cell for cell, position in self._positions.items() if position != END]
        found = await self._ask(dict.fromkeys(going_on, limit))
        if len(self._away) == len(self._positions):
            raise BackendUnavailable("No cell answers; repeat the request.")
        newest = _newest_first(found)[:limit]
        taken = {cell: sum(each.cell == cell for each in newest) for cell in found}
        whole = {cell: page for cell, page in found.items() if taken[cell] == len(page.items)}
        cut = {cell: count for cell, count in taken.items() if count and cell not in whole}
        shown = {**whole, **await self._ask(cut)}
        self._positions |= {cell: page.position for cell, page in shown.items()}
        ended = all(position == END for position in self._positions.values())
        return PageBody(
            items=_newest_first(shown),
            next_cursor=None if ended else cursor_of(self._positions, self._asked.filters),
            away=sorted(self._away) or UNSET,
        )

    async def _ask(self, limits: Mapping[str, int]) -> dict[str, _Part]:
        """Return the pages of cells, side by side; one that does not answer is away."""
        pages = await asyncio.gather(*(self._of(cell, limits[cell]) for cell in limits))
        return {cell: page for cell, page in zip(limits, pages, strict=True) if page is not None}

    async def _of(self, cell: str, limit: int) -> _Part | None:
        filters, position = self._asked.filters, self._positions[cell]
        cursor = None if position is None else cursor_of(position, filters)
        asked = self._asked._replace(limit=limit, cursor=cursor)
        try:
            page = await self._lists.page(self._request, cell, asked)
            position = _position_after(cell, page, filters)
        except (BackendUnavailable, TimeoutError):
            self._away.add(cell)
            return None
        items = [replace(item, cell=cell) for item in page.items]
        return _Part(items, position)


def _newest_first(pages: Mapping[str, _Part]) -> list[ItemBody]:
    items = (item for page in pages.values() for item in page.items)
    return sorted(items, key=lambda item: item.created_at, reverse=True)


def _position_after(cell: str, page: PageBody, filters: Filters) -> int:
    """Return the position at which a cell's page ends. Raises `BackendUnavailable`."""
    if page.next_cursor is None:
        return END
    try:
        position = position_of(page.next_cursor, filters)
    except InvalidRequest:
        position = None
    if not is_position(position):
        raise BackendUnavailable(f"Cell {cell} is of another release.")
    return int(position)


def _positions(asked: Asked, cells: Iterable[str]) -> dict[str, int | None]:
    """Return how far the list of each cell has been shown. Raises `InvalidRequest`."""
    if asked.cursor is None:
        return dict.fromkeys(cells)
    found = position_of(asked.cursor, asked.filters)
    if not isinstance(found, dict) or not all(map(_is_position, found.values())):
        raise InvalidRequest(INVALID_CURSOR)
    return {cell: found.get(cell) for cell in cells}


def _is_position(value: object) -> bool:
    return value is None or is_position(value) or (type(value) is int and value == END)


def _query(asked: Asked) -> dict[str, Any]:
    """Return the parameters that want this."""
    filters: Filters = asked.filters
    values = {name: getattr(filters, name) for name in FILTERS}
    wanted = {**values, "limit": asked.limit, "cursor": asked.cursor}
    return {name: value for name, value in wanted.items() if value not in {None, ""}}

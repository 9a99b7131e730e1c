"""GET /list: executions, newest first, a page at a time."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import orjson
from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.api.keys import ACTIVITIES, BACKEND, CATALOG
from gateway.api.parameters import function_of
from gateway.errors import InvalidRequest
from gateway.http.answers.responses import json_response
from gateway.http.query import query_of
from gateway.model.bodies import ItemBody
from gateway.model.fields import PHASES
from gateway.model.representation import item_body
from shared.catalog import LARGEST_VERSION
from shared.ids import is_execution_id
from shared.resonate.cursors import is_position
from shared.resonate.states import STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.backend.searches import Searches
    from gateway.model.execution import Execution

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
MAX_SEARCHES: Final = 10
"""Searches of the server that one request makes, at most."""

SEARCH_SIZE: Final = 100
"""Rows of one search, which is the server's largest page."""


INVALID_CURSOR: Final = "Invalid cursor."
FILTERS: Final = ("status", "phase", "function", "version", "prefix")


class PageBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of the list."""

    items: Annotated[list[ItemBody], Meta(max_length=MAX_LIMIT)]
    next_cursor: str | None
    away: Annotated[list[str], Meta(description="Cells that have not answered.")] | UnsetType = (
        UNSET
    )


class Filters(Struct, frozen=True):
    """What a request lists, checked. An execution's `phase` is not known where this is asked."""

    status: str | None
    function: str | None
    prefix: str
    version: int | None
    phase: str | None = None

    def match(self, execution: Execution) -> bool:
        """Return whether to list the execution."""
        # A search of the server by status or function would read its whole table where few
        # executions match, and keep it from all other work. So does one by a prefix of many ids.
        return (
            execution.id.startswith(self.prefix)
            and self.status in {None, execution.status}
            and self.function in {None, execution.function}
            and self.version in {None, execution.version}
            and not (self.phase and execution.done)
        )


class Asked(NamedTuple):
    """What a request wants of the list."""

    filters: Filters
    limit: int
    cursor: str | None


async def listing(request: web.Request) -> web.Response:
    """Answer a page of executions by status, phase, function, version and prefix of the id."""
    return json_response(await page_of(request.app, asked_of(request)))


def asked_of(request: web.Request) -> Asked:
    """Return what a request wants. Raises `InvalidRequest` and `UnknownFunction`."""
    query = query_of(request, *FILTERS, "limit", "cursor")
    limit, filters = _integer(query, "limit", MAX_LIMIT) or DEFAULT_LIMIT, _filters(query)
    if filters.function is not None:
        function_of(request.app[CATALOG].served.catalog, filters.function)
    return Asked(filters, limit, query.get("cursor"))


async def page_of(app: web.Application, asked: Asked) -> PageBody:
    """Return a page of this gateway's own server. Raises `InvalidRequest` for a bad cursor."""
    filters = asked.filters
    after = None if asked.cursor is None else _position(asked.cursor, filters)
    found, after = await search(app[BACKEND].searches, filters, asked.limit, after)
    found = await app[ACTIVITIES].add_to(found)
    now = app[BACKEND].clock.time()
    # An execution is shown rather than left out where its phase could not be read in time.
    shown = [
        each for each in found if filters.phase is None or each.phase(now) in {None, filters.phase}
    ]
    return PageBody(
        items=[item_body(execution, now) for execution in shown],
        next_cursor=None if after is None else cursor_of(after, filters),
    )


def _filters(query: Mapping[str, str]) -> Filters:
    filters = Filters(
        query.get("status"),
        query.get("function"),
        query.get("prefix", ""),
        _integer(query, "version", LARGEST_VERSION),
        query.get("phase"),
    )
    if filters.status is not None and filters.status not in STATUS.values():
        raise InvalidRequest(f"status must be one of {', '.join(STATUS.values())}.")
    if filters.phase is not None and filters.phase not in PHASES:
        raise InvalidRequest(f"phase must be one of {', '.join(PHASES)}.")
    if filters.phase is not None and filters.status not in {None, "pending"}:
        raise InvalidRequest("Only pending executions have a phase; leave status out.")
    if filters.prefix and not is_execution_id(filters.prefix):
        raise InvalidRequest("prefix must be the beginning of an id.")
    if filters.version is not None and filters.function is None:
        raise InvalidRequest("version needs the parameter function: the one that has this version.")
    return filters


def _integer(query: Mapping[str, str], name: str, most: int) -> int | None:
    """Return a parameter from 1 to `most`, None if it is not given. Raises `InvalidRequest`."""
    text = query.get(name)
    if text is None:
        return None
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not (digits and 1 <= int(text) <= most):
        raise InvalidRequest(f"{name} must be 1 to {most}.")
    return int(text)


async def search(
    searches: Searches, filters: Filters, limit: int, after: int | None
) -> tuple[list[Execution], int | None]:
    """Return executions after a position, and the position of the last row that was looked at.

    A search gives the position of its last row only. So where a page ends within a search, the
    search is repeated up to the row at which the page ends:

    1. Of a page of 50, 45 executions are found; the next 100 rows have 20 more that match.
    2. The fifth of these 20 is row 31, so the first 31 rows are searched again.
    3. That search's position is the page's cursor.
    """
    found: list[Execution] = []
    size, pattern = SEARCH_SIZE, await searches.pattern_of(filters.prefix)
    for _ in range(MAX_SEARCHES):
        rows, position = await searches.page(pattern, size, after)
        fits = _rows_that_fit(rows, filters, limit - len(found))
        if fits < len(rows):
            size = fits
            continue
        found += filter(filters.match, rows)
        after, size = position, SEARCH_SIZE
        if after is None or len(found) == limit:
            break
    return found, after


def _rows_that_fit(rows: Sequence[Execution], filters: Filters, room: int) -> int:
    """Return after how many rows as many match as there is room for, or all rows."""
    for number, execution in enumerate(rows, 1):
        room -= filters.match(execution)
        if not room:
            return number
    return len(rows)


def cursor_of(position: object, filters: Filters) -> str:
    """Return a cursor that is valid with these filters only."""
    return base64.urlsafe_b64encode(orjson.dumps([position, *_cursor_filters(filters)])).decode()


def _position(text: str, filters: Filters) -> int:
    """Return the position of a cursor of this gateway's own server. Raises `InvalidRequest`."""
    position = position_of(text, filters)
    if not is_position(position):
        raise InvalidRequest(INVALID_CURSOR)
    return int(position)


def position_of(text: str, filters: Filters) -> Any:
    """Return what `cursor_of` was given, unchecked.

    Raises `InvalidRequest` for a cursor that this service did not make, or made for other filters.
    """
    try:
        position, *others = orjson.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        raise InvalidRequest(INVALID_CURSOR) from None
    if others != _cursor_filters(filters):
        raise InvalidRequest("The cursor belongs to other filters.")
    return position


def _cursor_filters(filters: Filters) -> list[Any]:
    # Without these two they are as before there were any, so that cursors go on across releases.
    later = [each for each in (filters.version, filters.phase) if each is not None]
    return [filters.status, filters.function, filters.prefix, *later]


ROUTES = (web.get("/list", listing),)

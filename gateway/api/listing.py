"""GET /list: executions, newest first, a page at a time."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.keys import BACKEND, CATALOG
from gateway.api.parameters import function_of
from gateway.errors import InvalidRequest
from gateway.http.query import query_of
from gateway.http.responses import json_response
from gateway.model.bodies import ItemBody
from gateway.model.representation import item_body
from shared.ids import is_execution_id
from shared.resonate import tags as tag
from shared.resonate.cursors import is_position
from shared.resonate.states import SEARCH_STATE, STATUS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.backend.client import Backend
    from gateway.model.execution import Execution

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
MAX_SEARCHES: Final = 10
"""Searches of the server that one request makes, at most."""

SERVER_PAGE: Final = 100
"""Rows of the server's largest page."""


class PageBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of the list."""

    items: Annotated[list[ItemBody], Meta(max_length=MAX_LIMIT)]
    next_cursor: str | None


class Filters(Struct, frozen=True):
    """The checked parameters of a request; `search_size` is the number of rows of each search."""

    status: str | None
    function: str | None
    prefix: str
    limit: int

    @property
    def search_size(self) -> int:
        # Limit 150: two searches of 75 rows, so the last search's position is the page's cursor.
        # Limit 101: two of 50, a page of 100.
        return self.limit // -(-self.limit // SERVER_PAGE)

    def matches(self, execution: Execution) -> bool:
        """Return whether to list the execution; a search of the server finds others as well."""
        # `_` matches any character in the server's search, and its state `rejected` covers three
        # statuses.
        return execution.id.startswith(self.prefix) and self.status in {None, execution.status}


async def listing(request: web.Request) -> web.Response:
    """Answer a page of executions by status, function and prefix of the id."""
    query = query_of(request, "status", "function", "prefix", "limit", "cursor")
    if "function" in query:
        function_of(request.app[CATALOG], query["function"])
    filters = _filters(query)
    after = _position(query["cursor"], filters) if "cursor" in query else None
    found, after = await _search(request.app[BACKEND], filters, after)
    body = PageBody(
        items=[item_body(execution) for execution in found],
        next_cursor=None if after is None else _cursor(after, filters),
    )
    return json_response(body)


def _filters(query: Mapping[str, str]) -> Filters:
    filters = Filters(
        query.get("status"), query.get("function"), query.get("prefix", ""), _limit(query)
    )
    if filters.status is not None and filters.status not in SEARCH_STATE:
        raise InvalidRequest(f"status must be one of {', '.join(STATUS.values())}.")
    if filters.prefix and not is_execution_id(filters.prefix):
        raise InvalidRequest("prefix must be the beginning of an id.")
    return filters


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MAX_LIMIT):
        raise InvalidRequest(f"limit must be 1 to {MAX_LIMIT}.")
    return int(text)


async def _search(
    backend: Backend, filters: Filters, after: int | None
) -> tuple[list[Execution], int | None]:
    """Return the executions after a position, and the position of the last one that was read."""
    found: list[Execution] = []
    for _ in range(MAX_SEARCHES):
        page, after = await backend.search(
            f"{filters.prefix}*",
            {} if filters.function is None else {tag.FUNCTION: filters.function},
            None if filters.status is None else SEARCH_STATE[filters.status],
            filters.search_size,
            after,
        )
        found += filter(filters.matches, page)
        # Stop if another full search would exceed the limit.
        if after is None or len(found) + filters.search_size > filters.limit:
            break
    return found, after


def _cursor(position: int, filters: Filters) -> str:
    """Return a cursor that is valid with these filters only."""
    return base64.urlsafe_b64encode(orjson.dumps([position, *_cursor_filters(filters)])).decode()


def _position(text: str, filters: Filters) -> int:
    """Return the cursor's position; its other values are only compared.

    Raises `InvalidRequest` for a cursor that this service did not make, or made for other filters.
    """
    try:
        position, *others = orjson.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        raise InvalidRequest("Invalid cursor.") from None
    if not is_position(position):
        raise InvalidRequest("Invalid cursor.")
    if others != _cursor_filters(filters):
        raise InvalidRequest("The cursor belongs to other filters or to another limit.")
    return int(position)


def _cursor_filters(filters: Filters) -> list[Any]:
    return [filters.status, filters.function, filters.prefix, filters.search_size]


ROUTES = (web.get("/list", listing),)

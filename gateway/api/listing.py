"""GET /list: executions, newest first, a page at a time."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from gateway.api.inputs import query_of
from gateway.errors import InvalidRequest, UnknownFunction
from gateway.keys import BACKEND
from gateway.model import representation as views
from shared.catalog import CATALOG
from shared.ids import is_execution_id
from shared.resonate import tags as tag
from shared.resonate.cursors import is_position
from shared.resonate.states import SEARCH_STATE, STATUS

if TYPE_CHECKING:
    from gateway.model.execution import Execution

DEFAULT_LIMIT: Final = 50
MOST: Final = 200
PAGES: Final = 10
"""Pages of the server's that one request reads at most."""

SERVER_PAGE: Final = 100


async def listing(request: web.Request) -> web.Response:
    """Return executions by status, function and literal prefix of the id."""
    query = query_of(request, "status", "function", "prefix", "limit", "cursor")
    status, function = query.get("status"), query.get("function")
    prefix, limit = query.get("prefix", ""), _limit(query.get("limit"))
    if status is not None and status not in STATUS.values():
        raise InvalidRequest(f"status must be one of {', '.join(STATUS.values())}")
    if function is not None and function not in CATALOG:
        raise UnknownFunction(f"known functions: {', '.join(CATALOG)}")
    if prefix and not is_execution_id(prefix):
        raise InvalidRequest("prefix must be the beginning of an id")
    # Every request of a list reads pages of one size, so that none ends within the server's.
    size = limit // -(-limit // SERVER_PAGE)
    filters = [status, function, prefix, size]
    after = _position(query["cursor"], filters) if "cursor" in query else None
    found: list[Execution] = []
    for _ in range(PAGES):
        page, after = await request.app[BACKEND].search(
            f"{prefix}*",
            {} if function is None else {tag.FUNCTION: function},
            None if status is None else SEARCH_STATE[status],
            size,
            after,
        )
        found += [
            execution
            for execution in page
            if execution.id.startswith(prefix) and status in {None, execution.status}
        ]
        # Never more than fits, so that the cursor stands exactly behind what is answered.
        if after is None or len(found) + size > limit:
            break
    body = {
        "items": [views.item(execution) for execution in found],
        "next_cursor": None if after is None else _cursor(after, filters),
    }
    return views.json_response(body, headers={"Cache-Control": "no-store"})


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= MOST):
        raise InvalidRequest(f"limit must be 1 to {MOST}")
    return int(text)


def _cursor(position: int, filters: list[Any]) -> str:
    """Return a cursor that goes with these filters only."""
    return base64.urlsafe_b64encode(orjson.dumps([position, *filters])).decode()


def _position(text: str, filters: list[Any]) -> int:
    """Return the position in a cursor, which is all that is taken from it.

    Raises `InvalidRequest` for a cursor that this service did not make, or made for other filters.
    """
    try:
        position, *others = orjson.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except (ValueError, TypeError):
        raise InvalidRequest("Invalid cursor.") from None
    if not is_position(position):
        raise InvalidRequest("Invalid cursor.")
    if others != filters:
        raise InvalidRequest("the cursor goes with other filters, or another limit, than these")
    return int(position)


ROUTES = (web.get("/list", listing),)

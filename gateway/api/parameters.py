"""Parameters and headers of requests about executions, each checked by its rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gateway.errors import InvalidRequest, UnknownFunction
from shared import durations
from shared.ids import ID_GRAMMAR, is_execution_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from shared.catalog import Catalog, Function

LONGEST_WAIT: Final = 25
"""Seconds that a client may wait; many clients and proxies give up after 30 s."""

ANY_SECONDS: Final = 10**15
"""Seconds, more than any duration: a longer wait is no error, it counts as the longest."""

MOST_NAMES: Final = 20
"""Functions that an answer names."""

KEY_GRAMMAR: Final = re.compile(r"[!#-~]{1,255}")
"""Keys of signals; a key that is an execution's id has the grammar of ids."""

WAIT_PREFERENCE: Final = re.compile(r"wait\s*=\s*\"?(\d{1,100})\"?", re.IGNORECASE)


def checked_id(text: str) -> str:
    """Return the id if it follows the grammar. Raises `InvalidRequest` otherwise."""
    if not is_execution_id(text):
        raise InvalidRequest(f"The id must match {ID_GRAMMAR.pattern}.")
    return text


def required_id(query: Mapping[str, str]) -> str:
    """Return the parameter `id`. Raises `InvalidRequest` if it is missing or not an id."""
    if "id" not in query:
        raise InvalidRequest("The parameter id is missing.")
    return checked_id(query["id"])


def id_of(request: web.Request, query: Mapping[str, str]) -> str | None:
    """Return the id by the parameter `id` or the header `Idempotency-Key`, None without both.

    Raises `InvalidRequest` for an id that breaks the grammar, and for two different ones.
    """
    text = _idempotency_key(request)
    key = None if text is None else checked_id(text)
    id = checked_id(query["id"]) if "id" in query else None
    if key is not None and id is not None and key != id:
        raise InvalidRequest("The parameter id and the header Idempotency-Key differ.")
    return id or key


def key_of(request: web.Request) -> str | None:
    """Return the header `Idempotency-Key`, None without one. Raises `InvalidRequest`."""
    key = _idempotency_key(request)
    if key is not None and KEY_GRAMMAR.fullmatch(key) is None:
        raise InvalidRequest(
            'The header Idempotency-Key must have 1 to 255 visible ASCII characters, without ".'
        )
    return key


def _idempotency_key(request: web.Request) -> str | None:
    """Return the header, which is bare or a quoted string (RFC 8941), without its quotes."""
    headers = request.headers.getall("Idempotency-Key", [])
    if len(headers) > 1:
        raise InvalidRequest("The header Idempotency-Key is given more than once.")
    if not headers:
        return None
    text = headers[0].strip()
    quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if quoted else text


def function_of(catalog: Catalog, name: str) -> Function:
    """Return the public function of this name. Raises `UnknownFunction`."""
    try:
        return catalog.public[name]
    except KeyError:
        raise UnknownFunction(known_functions(catalog)) from None


def known_functions(catalog: Catalog) -> str:
    """Return a sentence that names the functions which a client can begin, the first of many."""
    names = list(catalog.public)
    if not names:
        return "This service has no functions for clients."
    more = len(names) - MOST_NAMES
    return f"Known functions: {', '.join(names[:MOST_NAMES])}{f' and {more} more' * (more > 0)}."


def seconds_of(name: str, text: str, *, least: int, most: int) -> int:
    """Return the seconds of a parameter's duration. Raises `InvalidRequest` naming it."""
    try:
        seconds = durations.parse(text)
    except ValueError:
        raise InvalidRequest(f"{name} must be like 30s, 15m, 2h, 7d or PT15M.") from None
    if not least <= seconds <= most:
        raise InvalidRequest(f"{name} must be {least} to {most} seconds, got {seconds}.")
    return seconds


def preferred_wait(request: web.Request) -> int | None:
    """Return the seconds of `Prefer: wait=N` (RFC 7240), at most `LONGEST_WAIT`, or None."""
    for header in request.headers.getall("Prefer", ()):
        for preference in header.split(","):
            if match := WAIT_PREFERENCE.fullmatch(preference.split(";")[0].strip()):
                return min(int(match[1]), LONGEST_WAIT)
    return None


def requested_wait(request: web.Request, parameter: str | None) -> tuple[int, dict[str, str]]:
    """Return the seconds to wait by the parameter `wait` or the header `Prefer`.

    Returns also the headers that say which wait was applied. Raises `InvalidRequest` for a
    parameter that is no duration.
    """
    seconds = preferred_wait(request)
    if parameter is not None:
        given = seconds_of("wait", parameter, least=0, most=ANY_SECONDS)
        seconds = min(given, LONGEST_WAIT)
    if seconds is None:
        return 0, {}
    return seconds, {"Preference-Applied": f"wait={seconds}"}

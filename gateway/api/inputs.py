"""Reads what clients send: query parameters, ids and bodies, each by its rule or not at all."""

from __future__ import annotations

import functools
import hashlib
import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import jiter
import jsonschema_rs
import orjson

from gateway.errors import InvalidInput, InvalidRequest
from gateway.http.body import read_body
from gateway.keys import READING
from shared import durations
from shared.catalog import CATALOG
from shared.ids import ID_GRAMMAR, is_execution_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiohttp import web

    from shared.catalog import Function

MAX_DEPTH: Final = 64
MOST_FAULTS: Final = 20
MESSAGE_LENGTH: Final = 200
LARGE_BYTES: Final = 64 * 1024
PLAIN: Final = frozenset({str, int, bool, type(None)})
EXACT_INTEGERS: Final = 2**53
"""Floats beyond this are not exact, so an integral one is not taken for an integer there."""


def query_of(request: web.Request, *known: str) -> dict[str, str]:
    """Return the query parameters. Raises `InvalidRequest` for repeated and for unknown ones."""
    given: dict[str, str] = {}
    for key, value in request.query.items():
        if key not in known:
            raise InvalidRequest(f"unknown parameter {key[:64]!r}; known: {', '.join(known)}")
        if key in given:
            raise InvalidRequest(f"parameter {key!r} is given more than once")
        given[key] = value
    return given


def checked_id(text: str) -> str:
    """Return the id if it follows the grammar. Raises `InvalidRequest` otherwise."""
    if not is_execution_id(text):
        raise InvalidRequest(f"id must match {ID_GRAMMAR.pattern}")
    return text


def required_id(query: Mapping[str, str]) -> str:
    """Return the id that the request must name. Raises `InvalidRequest`."""
    if "id" not in query:
        raise InvalidRequest("the parameter id is missing")
    return checked_id(query["id"])


def seconds_of(name: str, text: str, *, least: int, most: int) -> int:
    """Return the seconds of a parameter's duration. Raises `InvalidRequest` naming it."""
    try:
        seconds = durations.parse(text)
    except ValueError:
        raise InvalidRequest(f"{name} must be like 30s, 15m, 2h, 7d or PT15M") from None
    if not least <= seconds <= most:
        raise InvalidRequest(f"{name} must be {least} to {most} seconds, got {seconds}")
    return seconds


def id_of(request: web.Request, query: Mapping[str, str]) -> str | None:
    """Return the id by the parameter or the `Idempotency-Key` header, if there is one.

    The header is bare or a quoted string (RFC 8941). Raises `InvalidRequest` for an id that breaks
    the grammar, and for two that differ.
    """
    given = request.headers.getall("Idempotency-Key", [])
    if len(given) > 1:
        raise InvalidRequest("the header Idempotency-Key is given more than once")
    key = None
    if given:
        bare = given[0].strip()
        quoted = len(bare) > 1 and bare[0] == bare[-1] == '"'
        key = checked_id(bare[1:-1] if quoted else bare)
    id = checked_id(query["id"]) if "id" in query else None
    if key is not None and id is not None and key != id:
        raise InvalidRequest("the parameter id and the header Idempotency-Key differ")
    return id or key


@dataclass(frozen=True)
class Input:
    """A function's input as JSON text, and what is equal for equal inputs."""

    json: str
    fingerprint: str


async def read_input(request: web.Request, function: Function) -> Input:
    """Return the body as the function's input; an empty body stands for the function's default.

    Raises `InvalidRequest`, `UnsupportedMediaType`, or aiohttp's 413.
    """
    raw = await read_body(request) or function.default_input.encode()
    return await _made_of(raw, request, lambda: _input_of(raw, function))


def _input_of(raw: bytes, function: Function) -> Input:
    value = _parsed(raw)
    try:
        text = orjson.dumps(value).decode()
    except TypeError as error:
        raise InvalidRequest(f"the body cannot be kept exactly: {error}") from error
    _hold_to_schema(function, value)
    fingerprint = hashlib.sha256(f"{function.name} {_canonical_json(value)}".encode())
    return Input(text, fingerprint.hexdigest())


async def _made_of[T](raw: bytes, request: web.Request, make: Callable[[], T]) -> T:
    """Return what is made of a body; that of a large one must not hold the loop."""
    return make() if len(raw) <= LARGE_BYTES else await request.app[READING].run(make)


def _canonical_json(value: Any) -> str:
    """Return JSON text that is equal for equal values: no blanks, sorted keys, 1.0 as 1.

    Raises `InvalidRequest` for what cannot be kept exactly or is nested too deep.
    """
    try:
        return orjson.dumps(_canonical(value, MAX_DEPTH), option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise InvalidRequest(f"the body cannot be kept exactly: {error}") from error


def _hold_to_schema(function: Function, value: Any) -> None:
    """Raise `InvalidInput` with every place where the input is not what the function takes."""
    found = list(islice(_validator(function.name).iter_errors(value), MOST_FAULTS))
    if found:
        faults = [
            {"pointer": _pointer(error.instance_path), "message": error.message[:MESSAGE_LENGTH]}
            for error in found
        ]
        where = ", ".join(fault["pointer"] or "the whole" for fault in faults)
        raise InvalidInput(f"not what {function.name} takes: {where}", faults=faults)


@functools.cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(dict(CATALOG[name].input_schema))


def _pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


async def read_json(request: web.Request) -> Any:
    """Return the body as JSON, None if it is empty; raises as `read_input` does."""
    raw = await read_body(request)
    return await _made_of(raw, request, lambda: _parsed(raw)) if raw else None


async def read_canonical(request: web.Request) -> str:
    """Return JSON text that is equal for equal bodies; raises as `read_input` does."""
    raw = await read_body(request) or b"null"
    return await _made_of(raw, request, lambda: _canonical_json(_parsed(raw)))


def _parsed(raw: bytes) -> Any:
    try:
        return jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from error


def _canonical(value: Any, depth: int) -> Any:  # JSON in, JSON out
    """Return the value with numbers that JSON does not tell apart (1 and 1.0) made one."""
    match value:
        case dict() | list() if depth == 0:
            raise InvalidRequest(f"the body is nested deeper than {MAX_DEPTH}")
        case dict():
            return {key: _canonical(item, depth - 1) for key, item in value.items()}
        case list():
            # Most of what is long is plain, and a call for each would take ten times as long.
            return [item if type(item) in PLAIN else _canonical(item, depth - 1) for item in value]
        case float() if not math.isfinite(value):
            raise InvalidRequest("the body has a number that is too large")
        case float() if value.is_integer() and abs(value) < EXACT_INTEGERS:
            return int(value)
        case _:
            return value

"""Reads the bodies of requests: the input of a function, the value of a signal, other JSON."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import jiter
import jsonschema_rs
import orjson
from aiohttp import web

from gateway.concurrency.threads import SerialExecutor
from gateway.errors import InvalidInput, InvalidRequest, Overloaded, ServiceError, ValueTooLarge
from gateway.http.body import read_body
from shared.settings import MAX_RESULT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.errors import UnknownFunction
    from shared.catalog import Catalog, Function

MAX_DEPTH: Final = 64
MAX_FAULTS: Final = 20
MESSAGE_LENGTH: Final = 200
LARGE_BYTES: Final = 64 * 1024
"""Length of a body beyond which a thread parses it, since that would hold the loop too long."""

PLAIN: Final = frozenset({str, int, bool, type(None)})
EXACT_INTEGERS: Final = 2**53
"""Floats beyond this are not exact, so none of them is taken for an integer."""


@dataclass(frozen=True)
class Input:
    """A function's input as JSON text; `fingerprint` is a hash of function and input.

    `refusal` says why no execution can be begun with it, None if one can.
    """

    json: str
    fingerprint: str
    refusal: ServiceError | None = None


class Inputs:
    """Reads bodies, and checks the inputs of functions against the schemas of a catalog."""

    def __init__(self, catalog: Catalog, max_value: int = MAX_RESULT_BYTES) -> None:
        self._max_value = max_value
        self._executor = SerialExecutor("parsing")
        self._validators = {
            name: jsonschema_rs.Draft202012Validator(dict(function.input_schema))
            for name, function in catalog.functions.items()
        }

    async def read_input(self, request: web.Request, function: Function) -> Input:
        """Return the body as the function's input; an empty body is the function's default input.

        Raises `InvalidRequest`, `UnsupportedMediaType`, or aiohttp's 413.
        """
        raw = await read_body(request) or function.default_input.encode()
        return await self._parse(raw, lambda: self._checked(raw, function))

    async def read_former(self, request: web.Request, name: str, unknown: UnknownFunction) -> Input:
        """Return the body as the input of a function that the catalog no longer has.

        Raises `unknown` for any body that can be no such input.
        """
        try:
            raw = await read_body(request)
            return await self._parse(raw, lambda: _input_of(name, _parsed(raw), unknown))
        except Overloaded:
            raise
        except (ServiceError, web.HTTPException) as error:
            raise unknown from error

    async def read_json(self, request: web.Request) -> Any:
        """Return the body as JSON, None if it is empty; raises as `read_input` does."""
        raw = await read_body(request)
        return await self._parse(raw, lambda: _parsed(raw)) if raw else None

    async def read_canonical(self, request: web.Request) -> str:
        """Return the body as JSON text that is equal for equal bodies.

        Raises `ValueTooLarge`, and what `read_input` does.
        """
        raw = await read_body(request) or b"null"
        text = await self._parse(raw, lambda: _canonical_json(_parsed(raw)))
        size = len(text.encode())
        if size > self._max_value:
            allowed = f"MAX_RESULT_BYTES allows {self._max_value}"
            raise ValueTooLarge(f"The value has {size} bytes of JSON; {allowed}.")
        return text

    def close(self) -> None:
        """Parse nothing more."""
        self._executor.close()

    async def _parse[T](self, raw: bytes, parse: Callable[[], T]) -> T:
        return parse() if len(raw) <= LARGE_BYTES else await self._executor.run(parse)

    def _checked(self, raw: bytes, function: Function) -> Input:
        value = _parsed(raw)
        return _input_of(function.name, value, self._refusal(function, value))

    def _refusal(self, function: Function, value: Any) -> InvalidInput | None:
        """Return an error with every place at which the function does not take the input."""
        found = list(islice(self._validators[function.name].iter_errors(value), MAX_FAULTS))
        if not found:
            return None
        faults = [
            {"pointer": _pointer(fault.instance_path), "message": fault.message[:MESSAGE_LENGTH]}
            for fault in found
        ]
        where = ", ".join(fault["pointer"] or "its top level" for fault in faults)
        return InvalidInput(f"{function.name} does not take the input at {where}.", faults=faults)


def _input_of(name: str, value: Any, refusal: ServiceError | None) -> Input:
    try:
        text = orjson.dumps(value).decode()
    except TypeError as error:
        raise InvalidRequest(f"The body cannot be stored exactly: {error}.") from error
    fingerprint = hashlib.sha256(f"{name} {_canonical_json(value)}".encode())
    return Input(text, fingerprint.hexdigest(), refusal)


def _canonical_json(value: Any) -> str:
    """Return JSON text that is equal for equal values: no blanks, sorted keys, 1.0 as 1.

    Raises `InvalidRequest` for a value that cannot be stored exactly or is nested too deep.
    """
    try:
        return orjson.dumps(_canonical(value, MAX_DEPTH), option=orjson.OPT_SORT_KEYS).decode()
    except TypeError as error:
        raise InvalidRequest(f"The body cannot be stored exactly: {error}.") from error


def _canonical(value: Any, depth: int) -> Any:
    """Return the value with whole floats as integers: in JSON 1 and 1.0 are equal."""
    match value:
        case dict() | list() if depth == 0:
            raise InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.")
        case dict():
            return {key: _canonical(item, depth - 1) for key, item in value.items()}
        case list():
            # Most items of long lists are plain; a call for each would take ten times as long.
            return [item if type(item) in PLAIN else _canonical(item, depth - 1) for item in value]
        case float() if not math.isfinite(value):
            raise InvalidRequest("The body has a number that is too large.")
        case float() if value.is_integer() and abs(value) < EXACT_INTEGERS:
            return int(value)
        case _:
            return value


def _parsed(raw: bytes) -> Any:
    try:
        return jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise InvalidRequest(f"The body is not JSON: {error}.") from error


def _pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)

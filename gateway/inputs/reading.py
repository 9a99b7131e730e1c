"""Reads the bodies of requests: the input of a function, the value of a signal, other JSON."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from gateway.concurrency.garbage import without_collections
from gateway.concurrency.serial_executor import SerialExecutor
from gateway.errors import Overloaded, ServiceError, ValueTooLarge
from gateway.http.body import read_body
from gateway.inputs.json_values import canonical_json, json_text, parsed
from shared.settings import MAX_RESULT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.errors import UnknownFunction
    from gateway.inputs.validation import Validation
    from shared.catalog import Function

LARGE_BYTES: Final = 64 * 1024
"""Length of a body beyond which a thread parses it, since that would hold the loop too long."""


@dataclass(frozen=True)
class Input:
    """A function's input as JSON text; `fingerprint` is a hash of function and input.

    `refusal` says why no execution can be begun with it, None if one can.
    """

    json: str
    fingerprint: str
    refusal: ServiceError | None = None


class Inputs:
    """Reads bodies, and checks the inputs of functions."""

    def __init__(self, max_value: int = MAX_RESULT_BYTES) -> None:
        self._max_value = max_value
        self._executor = SerialExecutor("parsing")

    async def read_input(
        self, request: web.Request, function: Function, validation: Validation
    ) -> Input:
        """Return the body as the function's input; an empty body is the function's default input.

        Raises `InvalidRequest`, `UnsupportedMediaType`, or aiohttp's 413.
        """
        raw = await read_body(request) or orjson.dumps(function.default_input)
        return await self._parse(raw, lambda: _checked(raw, function, validation))

    async def read_former(self, request: web.Request, name: str, unknown: UnknownFunction) -> Input:
        """Return the body as the input of a function that the catalog no longer has.

        Raises `unknown` for any body that can be no such input.
        """
        try:
            raw = await read_body(request)
            return await self._parse(raw, lambda: _input_of(name, parsed(raw), unknown))
        except Overloaded:
            raise
        except (ServiceError, web.HTTPException) as error:
            raise unknown from error

    async def read_json(self, request: web.Request) -> Any:
        """Return the body as JSON, None if it is empty; raises as `read_input` does."""
        raw = await read_body(request)
        return await self._parse(raw, lambda: parsed(raw)) if raw else None

    async def read_canonical(self, request: web.Request) -> str:
        """Return the body as JSON text that is equal for equal bodies.

        Raises `ValueTooLarge`, and what `read_input` does.
        """
        raw = await read_body(request) or b"null"
        text = await self._parse(raw, lambda: canonical_json(parsed(raw)))
        size = len(text.encode())
        if size > self._max_value:
            allowed = f"MAX_RESULT_BYTES allows {self._max_value}"
            raise ValueTooLarge(f"The value has {size} bytes of JSON; {allowed}.")
        return text

    def close(self) -> None:
        """Parse nothing more."""
        self._executor.close()

    async def _parse[T](self, raw: bytes, parse: Callable[[], T]) -> T:
        if len(raw) <= LARGE_BYTES:
            return parse()
        return await self._executor.run(without_collections, parse, size=len(raw))


def _checked(raw: bytes, function: Function, validation: Validation) -> Input:
    value = parsed(raw)
    return _input_of(function.name, value, validation.refusal(function, value))


def _input_of(name: str, value: Any, refusal: ServiceError | None) -> Input:
    """Return the value as an input; the value is of no more use."""
    text = json_text(value)
    fingerprint = hashlib.sha256(f"{name} {canonical_json(value)}".encode())
    return Input(text, fingerprint.hexdigest(), refusal)

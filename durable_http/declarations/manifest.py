"""The manifest of functions: what a gateway needs to know of them, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from durable_http.errors import DeclarationError
from durable_http.types import to_json_default

if TYPE_CHECKING:
    from collections.abc import Iterable

    from durable_http.declarations.definition import Definition

FORMAT: Final = 1
"""The number of this format, which gateways check."""


def manifest(
    definitions: Iterable[Definition],
    *,
    default: str | None,
    step_timeout_seconds: float | None,
    max_result_bytes: int,
) -> bytes:
    """Return the manifest as JSON text. `default` is the function that is begun without a name.

    Raises `DeclarationError` if a default input is no JSON.
    """
    ordered = sorted(definitions, key=lambda each: (each.name, each.version))
    document = {
        "format": FORMAT,
        "default": default,
        "limits": {
            "step_timeout_seconds": step_timeout_seconds,
            "max_result_bytes": max_result_bytes,
        },
        "functions": [_entry(definition) for definition in ordered],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _entry(definition: Definition) -> dict[str, Any]:
    try:
        text = orjson.dumps(definition.default_input, default=to_json_default)
    except TypeError as error:
        raise DeclarationError(
            f"{definition.name}: its default input is no JSON: {error}"
        ) from error
    return {
        "name": definition.name,
        "version": definition.version,
        "summary": definition.summary,
        "private": definition.private,
        "timeout_seconds": definition.timeout,
        "default_input": orjson.loads(text),
        "input_schema": definition.input.schema,
        "signals": list(definition.signals),
    }

"""The results of steps and functions as JSON, checked before they are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from durable_http.errors import WrongResult
from durable_http.types import InvalidValue
from durable_http.values import json_of

if TYPE_CHECKING:
    from durable_http.types import JsonType


def result_json(value: Any, type: JsonType, limit: int) -> str:
    """Return a result as JSON text, from which `type` can be made again.

    Raises `NotJson`, `ResultTooLarge` beyond `limit` bytes, and `WrongResult` for what its
    annotation does not allow.
    """
    text = json_of(value, limit)
    if type.schema:  # otherwise anything is allowed, and a large result need not be read
        try:
            type.convert(orjson.loads(text))
        except InvalidValue as error:
            raise WrongResult(f"the result is not what its annotation says: {error}") from error
    return text

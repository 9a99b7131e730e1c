"""Makes JSON of what orjson does not know."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from durable_http.types.models import is_model


def to_json_default(value: Any) -> Any:
    """Return plain data for a value that is not JSON: the `default` of `orjson.dumps`.

    Pydantic models are written with the aliases of their fields, which they are read with. Raises
    `TypeError` for a value of another type than `JsonType` supports.
    """
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value, str_keys=True, enc_hook=to_json_default)
    if is_model(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):  # a named tuple; orjson knows plain ones
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")

"""Checks the inputs of functions against their schemas, and says where they do not fit."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from gateway.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jsonschema_rs import ValidationError

    from shared.catalog import Catalog, Function

MAX_FAULTS: Final = 20
MESSAGE_LENGTH: Final = 200

EXCERPT_VALUES: Final = 10_000
"""Values of an input in which faults are looked for. The library copies each value that has a fault
and makes text of it, a second's work for an input of half a million lists."""

TRUE_OF_PARTS: Final = frozenset(
    {"type", "additionalProperties", "maxItems", "maxLength", "maxProperties"}
)
"""Keywords that also the whole value breaks if a part of it does."""


class Validation:
    """Checks inputs of the functions of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._validators = {
            name: jsonschema_rs.Draft202012Validator(dict(function.input_schema))
            for name, function in catalog.functions.items()
        }

    def refusal(self, function: Function, value: Any) -> InvalidInput | None:
        """Return an error with the places at which the function does not take the value, or None.

        Of a very large value only a part is looked at for the places, so the error may name none.
        """
        validator = self._validators[function.name]
        if validator.is_valid(value):
            return None
        faults = [
            {"pointer": _pointer(fault.instance_path), "message": fault.message[:MESSAGE_LENGTH]}
            for fault in _faults(validator, value)
        ]
        where = ", ".join(fault["pointer"] or "its top level" for fault in faults)
        place = f" at {where}" if faults else "; it is too large to say where"
        return InvalidInput(f"{function.name} does not take the input{place}.", faults=faults)


def _faults(validator: jsonschema_rs.Draft202012Validator, value: Any) -> list[ValidationError]:
    found: list[ValidationError] = []
    for fault in validator.iter_errors(_excerpt(value, EXCERPT_VALUES)):
        # An excerpt can lack what the whole value has, for example a required property.
        if fault.schema_path[-1] in TRUE_OF_PARTS or fault.instance == _at(value, fault):
            found.append(fault)
        if len(found) == MAX_FAULTS:
            break
    return found


def _at(value: Any, fault: ValidationError) -> Any:
    for part in fault.instance_path:
        value = value[part]
    return value


def _excerpt(value: Any, room: int) -> Any:
    """Return the value with so many values in it at most, each entry with an equal share."""
    if not isinstance(value, (dict, list)) or not value:
        return value
    kept = min(len(value), room)
    share = (room - kept) // kept if kept else 0
    if isinstance(value, list):
        return [_excerpt(item, share) for item in value[:kept]]
    return {key: _excerpt(item, share) for key, item in islice(value.items(), kept)}


def _pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)

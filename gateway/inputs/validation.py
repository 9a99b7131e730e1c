"""Checks the inputs of functions against their schemas, and says where they do not fit."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from gateway.errors import InvalidInput
from shared.catalog import CatalogError

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
    """Checks inputs of the functions of a catalog.

    Raises `CatalogError` for a schema that is none, also of a version that is not begun any more.
    """

    def __init__(self, catalog: Catalog) -> None:
        compiled = {key: _compiled(function) for key, function in catalog.versions.items()}
        self._validators = {
            name: compiled[name, function.version] for name, function in catalog.functions.items()
        }

    def takes(self, function: Function, value: Any) -> bool:
        """Return whether the value can be an input of the function."""
        return self._validators[function.name].is_valid(value)

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


def _compiled(function: Function) -> jsonschema_rs.Draft202012Validator:
    where = f"{function.name} version {function.version}: input_schema"
    try:
        # Offline: a reference must not make a gateway call others, or read its files.
        return jsonschema_rs.Draft202012Validator(dict(function.input_schema), offline=True)
    except jsonschema_rs.ValidationError as error:
        raise CatalogError(f"{where}{_pointer(error.instance_path)}: {error.message}") from error
    except ValueError as error:
        raise CatalogError(f"{where}: {error}") from error


def _faults(validator: jsonschema_rs.Draft202012Validator, value: Any) -> list[ValidationError]:
    found: list[ValidationError] = []
    for whole in validator.iter_errors(_excerpt(value, EXCERPT_VALUES)):
        for fault in _closest(whole):
            # An excerpt can lack what the whole value has, for example a required property.
            if fault.schema_path[-1] in TRUE_OF_PARTS or fault.instance == _at(value, fault):
                found.append(fault)
            if len(found) == MAX_FAULTS:
                return found
    return found


def _closest(fault: ValidationError) -> list[ValidationError]:
    """Return the faults by the one alternative that has the value's type, if there is just one.

    An object that breaks a schema of "an object like this, or null" is told what is wrong with it.
    """
    alternatives = getattr(fault.kind, "context", None)
    if not alternatives:
        return [fault]
    of_type = [faults for faults in alternatives if not any(_is_type(fault, f) for f in faults)]
    if len(of_type) != 1:
        return [fault]
    return [closest for each in of_type[0] for closest in _closest(each)]


def _is_type(whole: ValidationError, fault: ValidationError) -> bool:
    """Return whether an alternative's fault is that all of the value has another type."""
    return fault.kind.name == "type" and fault.instance_path == whole.instance_path


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

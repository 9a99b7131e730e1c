"""What the modules of this process have declared."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from durable_http.errors import DeclarationError

if TYPE_CHECKING:
    from durable_http.declarations.definition import Definition

_declared: dict[str, list[Definition]] = {}
"""Definitions by module; a later one of the same name may hide an earlier one in the module."""


def declared_as(code: object) -> Definition | None:
    """Return what is declared of an object, without looking into it; None for any other object."""
    return next(
        (each for found in _declared.values() for each in found if each.function is code), None
    )


def declared_in(module: str) -> list[Definition]:
    """Return what is declared in a module, and in the modules below it if it is a package."""
    return [
        definition
        for name, definitions in _declared.items()
        if name == module or name.startswith(f"{module}.")
        for definition in definitions
    ]


def register(definition: Definition) -> None:
    """Keep a definition. Raises `DeclarationError` if its module has declared it before."""
    others = _declared.setdefault(definition.module, [])
    for other in others:
        if (other.name, other.version) != (definition.name, definition.version):
            continue
        # The same line means that the module is loaded once more.
        if definition.module != "__main__" and _line(other) != _line(definition):
            raise DeclarationError(
                f"{definition.module} declares {definition.name} version {definition.version} twice"
            )
        others.remove(other)
        break
    others.append(definition)


def _line(definition: Definition) -> int | None:
    code = getattr(inspect.unwrap(definition.function), "__code__", None)
    return None if code is None else int(code.co_firstlineno)

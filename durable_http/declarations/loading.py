"""Loads the modules in which a user's functions are declared."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from typing import TYPE_CHECKING

from durable_http.declarations.hidden import hidden
from durable_http.declarations.registered import declared_as, declared_in
from durable_http.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from durable_http.declarations.definition import Definition


def load(modules: Iterable[str]) -> list[Definition]:
    """Import modules, and packages with all their modules, and return what they declare.

    A function that a module only imports counts as well. Raises `DeclarationError` if a module
    cannot be imported, declares nothing, has a function and version that another one has, or lies
    beside a file in whose place another one was imported.
    """
    found: dict[tuple[str, int], Definition] = {}
    for name in modules:
        definitions = _load(name)
        if not definitions:
            raise DeclarationError(f"{name} declares no function; use @function")
        for definition in definitions:
            key = definition.name, definition.version
            other = found.setdefault(key, definition)
            if other.function is not definition.function:
                raise DeclarationError(
                    f"{definition.name} version {definition.version} is declared in "
                    f"{other.module} and in {definition.module}"
                )
    for fault in hidden(found.values()):
        raise DeclarationError(fault)
    return list(found.values())


def newest(definitions: Iterable[Definition]) -> dict[str, Definition]:
    """Return the newest version of each function, by name."""
    found: dict[str, Definition] = {}
    for definition in definitions:
        other = found.get(definition.name)
        if other is None or other.version < definition.version:
            found[definition.name] = definition
    return found


def _load(name: str) -> list[Definition]:
    module = _import(name)
    for info in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
        if not info.name.endswith(".__main__"):
            _import(info.name)
    # By identity: to look into an object may do anything, if it is a lazy one.
    imported = [declared_as(value) for value in vars(module).values()]
    definitions = [*declared_in(name), *filter(None, imported)]
    return list({id(definition): definition for definition in definitions}.values())


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except DeclarationError:
        raise
    except (Exception, SystemExit) as error:  # a program without a guard ends itself
        top = name.partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and error.name == top:
            raise DeclarationError(
                f"there is no module {top} on Python's path; PYTHONPATH adds folders to it"
            ) from error
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if "importlib" in at.filename else f" ({at.filename}, line {at.lineno})"
        raise DeclarationError(
            f"{name} cannot be imported: {type(error).__name__}: {error}{where}"
        ) from error

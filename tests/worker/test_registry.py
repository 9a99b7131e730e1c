"""The catalog, which gateways use, matches the code, which only workers have."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from shared.catalog import SHIPPED, Catalog, Function
from worker import functions
from worker.durable.driver import durable
from worker.functions.foo import foo
from worker.registry import build_registry

ENTRIES = list(SHIPPED.functions.values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_function_can_be_run(entry: Function) -> None:
    """A worker can run every function of the catalog, in the catalog's version."""
    found, code, version = build_registry().get(entry.name, entry.version)

    assert (found, version) == (entry.name, entry.version)
    assert inspect.isgeneratorfunction(code)


def test_every_file_is_in_the_catalog() -> None:
    """Every file of a function has an entry in the catalog."""
    files = {path.stem for path in Path(functions.__path__[0]).glob("[!_]*.py")}

    assert files == set(SHIPPED.names)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_function_takes_one_input(entry: Function) -> None:
    """A function has two parameters, a context or step and the client's input, and a docstring."""
    code = getattr(import_module(f"worker.functions.{entry.name}"), entry.name)

    assert len(inspect.signature(code).parameters) == 2
    assert inspect.getdoc(code)


@pytest.mark.parametrize(("name", "version"), [("bar", 0), ("foo", 2), ("checkout", 2)])
def test_nothing_else_can_be_run(name: str, version: int) -> None:
    """Any other name or version is unknown, so that it is left to a worker that knows it."""
    with pytest.raises(ValueError, match="not found"):
        build_registry().get(name, version)


def test_versions_stand_side_by_side() -> None:
    """A worker may know one function in two versions, and each is found."""
    registry = build_registry(Catalog.of(Function("foo", 2, "New."), default="foo"))
    registry.add(durable(foo), "foo", 1)

    assert [registry.get("foo", version)[2] for version in (1, 2)] == [1, 2]


def test_an_entry_without_code_stops_the_start() -> None:
    """A worker does not start if it lacks the code of a catalog's entry."""
    with pytest.raises(ModuleNotFoundError, match="nothing"):
        build_registry(
            Catalog.of(
                Function("foo", 1, "Something."), Function("nothing", 1, "Nothing."), default="foo"
            )
        )

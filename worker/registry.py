"""The functions this worker can run: those of the catalog, each in its file of the same name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from resonate.registry import Registry

from shared.catalog import CATALOG
from worker.durable.driver import durable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.catalog import Function


def build_registry(catalog: Iterable[Function] = CATALOG.values()) -> Registry:
    """Register every function of the catalog. Raises if one has no file or no function."""
    registry = Registry()
    for entry in catalog:
        module = import_module(f"worker.functions.{entry.name}")
        registry.add(durable(getattr(module, entry.name)), entry.name, entry.version)
    return registry

"""The functions that this worker can run: each of the catalog is in the file of its name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from resonate.registry import Registry

from shared.catalog import SHIPPED
from worker.durable.driver import durable

if TYPE_CHECKING:
    from shared.catalog import Catalog


def build_registry(catalog: Catalog = SHIPPED) -> Registry:
    """Register every function of the catalog. Raises if its file or the function is missing."""
    registry = Registry()
    for entry in catalog.functions.values():
        module = import_module(f"worker.functions.{entry.name}")
        registry.add(durable(getattr(module, entry.name)), entry.name, entry.version)
    return registry

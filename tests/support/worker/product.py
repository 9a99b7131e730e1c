"""A worker with the tests' functions: `python -m tests.support.worker.product`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from resonate.registry import Registry

from tests.support.catalog import CATALOG
from tests.support.worker.functions import FUNCTIONS
from worker.__main__ import main
from worker.durable.driver import durable

if TYPE_CHECKING:
    from shared.catalog import Catalog


def build_registry(catalog: Catalog = CATALOG) -> Registry:
    """Register the tests' functions."""
    registry = Registry()
    for name, entry in catalog.functions.items():
        registry.add(durable(FUNCTIONS[name]), name, entry.version)
    return registry


if __name__ == "__main__":
    code = main(CATALOG, build_registry)
    sys.stdout.flush()
    os._exit(code)

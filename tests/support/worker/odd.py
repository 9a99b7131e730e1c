"""A worker with all functions of the tests: `python -m tests.support.worker.odd`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from shared.catalog import Catalog, Function
from tests.support.catalog import CATALOG
from tests.support.worker import misbehaving, stuck, unusual
from tests.support.worker.product import build_registry
from worker.__main__ import main
from worker.durable.driver import durable

if TYPE_CHECKING:
    from resonate.registry import Registry

ODD_CATALOG: Final = Catalog.of(
    *CATALOG.functions.values(),
    Function("descends", 1, "Calls itself as a child."),
    default=CATALOG.default,
)
"""Functions that the odd ones may call as children."""


def registry(_: Catalog) -> Registry:
    """Return the catalog's functions and the odd ones."""
    made = build_registry(CATALOG)
    for functions in (unusual.FUNCTIONS, misbehaving.FUNCTIONS, stuck.FUNCTIONS):
        for name, function in functions.items():
            made.add(durable(function), name, 1)
    return made


if __name__ == "__main__":
    code = main(ODD_CATALOG, registry)
    sys.stdout.flush()
    os._exit(code)

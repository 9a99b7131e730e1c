"""A worker whose functions tidy up at their end: `python -m tests.support.worker.tidying`."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.catalog import CATALOG
from tests.support.worker.product import build_registry
from worker.__main__ import main
from worker.durable.driver import durable

if TYPE_CHECKING:
    from resonate.registry import Registry

    from shared.catalog import Catalog
    from worker.durable.context import Context, Workflow


def tidy_after_waits(context: Context, path: str) -> Workflow[str]:
    """Sleep, wait for a child and for the signal `go`; a `finally` leaves a line in the file."""
    try:
        yield context.sleep(0.1)
        yield context.call("part", {"number": 1, "pace": 0})
        yield context.signal("go", timeout=60)
    finally:
        with Path(path).open("a") as file:
            file.write(f"{threading.current_thread().name}\n")
    return "done"


def hang_when_set_aside(context: Context, _: Any) -> Workflow[None]:
    """Sleep for long; a `finally` does not come to its end."""
    try:
        yield context.sleep(60)
    finally:
        time.sleep(3600)


def registry(catalog: Catalog) -> Registry:
    """Return the catalog's functions and those of this module."""
    made = build_registry(catalog)
    made.add(durable(tidy_after_waits), "tidy_after_waits", 1)
    made.add(durable(hang_when_set_aside), "hang_when_set_aside", 1)
    return made


if __name__ == "__main__":
    code = main(CATALOG, registry)
    sys.stdout.flush()
    os._exit(code)

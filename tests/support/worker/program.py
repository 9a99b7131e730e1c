"""What the tests' worker programs have in common."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from durable_http import function
from worker.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OWN = "tests.support.worker.functions"
"""The module of the functions of the tests' catalog."""


def declare(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Declare functions under these names, as version 1."""
    for name, code in functions.items():
        function(name=name)(code)


def serve(*modules: str) -> None:
    """Run a worker with the tests' functions and those of these modules, and end the process."""
    os.environ.setdefault("WORKER_FUNCTIONS", ",".join((OWN, *modules)))
    code = main()
    sys.stdout.flush()
    os._exit(code)

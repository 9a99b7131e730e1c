"""Longer measurements of one property each, which print tables of their own."""

from __future__ import annotations

from importlib import import_module
from typing import Final

STUDIES: Final = (
    *("waiters", "endurance", "lease", "lists", "large_results", "values", "kills"),
    *("many_claims", "observability", "pages", "browser", "cells"),
)
"""Modules of this package, each with a `main`, in the order in which they run."""


def run_study(name: str) -> None:
    """Run a study until its end."""
    print(f"\n{name}", flush=True)
    import_module(f"{__name__}.{name}").main()

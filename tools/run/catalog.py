"""The catalog of the user's functions, which the gateway reads."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tools.run.checks import NotStartedError
from tools.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.run.plan import DataPaths

IMPORT_SECONDS: Final = 60.0
"""Seconds that the import of the user's modules may take."""


def write_catalog(paths: DataPaths, environment: Mapping[str, str]) -> dict[str, str]:
    """Write the catalog of the modules in WORKER_FUNCTIONS; return the gateway's setting for it.

    Nothing is written, and no setting returned, where the examples are served or the user names a
    catalog. Raises `NotStartedError` if the modules cannot be loaded.
    """
    if not environment.get("WORKER_FUNCTIONS") or environment.get("GATEWAY_CATALOG"):
        return {}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "worker", "catalog"],
            cwd=ROOT,
            env=dict(environment),
            capture_output=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotStartedError(
            f"WORKER_FUNCTIONS: the import was not done within {IMPORT_SECONDS:g} s"
        ) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotStartedError(*(line.removeprefix("worker: ") for line in lines[-20:]))
    part = paths.catalog.with_suffix(".part")
    part.write_bytes(done.stdout)
    part.replace(paths.catalog)
    return {"GATEWAY_CATALOG": str(paths.catalog)}

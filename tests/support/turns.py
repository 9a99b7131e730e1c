"""Lets a test that judges times run while no other test runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Wait for other tests of the same run, all of them or those that must be alone.

    Of pytest's processes each runs one test at a time. Without pytest-xdist there is one.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        yield
        return
    folder = Path(tempfile.gettempdir())
    with _opened(folder / f"{run}.door") as door, _opened(folder / f"{run}.room") as room:
        # Who waits for an empty room stands in the door, so that it does empty.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Yield a file, whose lock ends with the block; children do not inherit it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield file
    finally:
        os.close(file)

"""The processes that renew a worker's leases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.processes import Process


def renewers_of(worker: Process) -> list[int]:
    """Return the process ids of a worker's renewers."""
    listed = Path(f"/proc/{worker.pid}/task").glob("*/children")
    children = [int(pid) for path in listed for pid in path.read_text().split()]
    return [pid for pid in children if b"renewer" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def renewer_of(worker: Process) -> int:
    """Return the process id of a worker's only renewer."""
    (found,) = renewers_of(worker)
    return found

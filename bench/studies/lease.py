"""Measures how short a lease may be on a busy machine: `python -m bench lease`.

For each lease, executions run for 30 s beside twice as many busy processes as there are cores. No
worker is killed, so every recovery that the workers log took a claim from a living worker.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN_SECONDS = 30.0
LEASES = (0.5, 1.0, 2.0)
PACE = 0.5
"""Seconds that each step takes."""


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Run busy processes until the block ends."""
    loop = [sys.executable, "-c", "while True: pass"]
    burners = [subprocess.Popen(loop) for _ in range(processes)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def false_recoveries(lease: float) -> tuple[int, int]:
    """Return the number of executions, and of recoveries from a living worker."""
    with (
        tempfile.TemporaryDirectory() as directory,
        running_stack(Path(directory), lease_seconds=lease) as stack,
        busy(2 * (os.cpu_count() or 1)),
    ):
        ids: list[str] = []
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            ids.append(f"lease-{len(ids)}")
            stack.begin(ids[-1], "checkout", {"pace": PACE})
        for id in ids:
            stack.outcome(id, 120)
        workers = stack.workers.values()
        return len(ids), sum(len(w.events("execution recovered")) for w in workers)


def main(leases: tuple[float, ...] = LEASES) -> None:
    """Print a line for each lease."""
    print("lease", "executions", "false recoveries", sep="\t")
    for lease in leases:
        executions, recovered = false_recoveries(lease)
        print(f"{lease:g} s", executions, recovered, sep="\t", flush=True)

"""What one process uses, from /proc."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has taken."""
    return sum(times_of(pid))


def times_of(pid: int) -> tuple[float, float]:
    """Return the processor time that a process has taken itself, and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def resident_mib(pid: int) -> float:
    """Return the memory in MiB that a process has now."""
    return _status(pid, "VmRSS:")


def peak_mib(pid: int) -> float:
    """Return the most memory in MiB that a process has had, since `forget_peak` if that was."""
    return _status(pid, "VmHWM:")


def forget_peak(pid: int) -> None:
    """Measure the most memory of a process from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field))) / 1024

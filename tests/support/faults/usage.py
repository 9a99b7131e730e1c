"""What processes use: the memory that each had at most and may have, and their processor time."""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PERIOD_SECONDS: Final = 0.5
KIB: Final = 1024
MIB: Final = 1024 * 1024
UNITS: Final = {"k": KIB, "m": MIB, "g": 1024 * MIB}
TICKS: Final = os.sysconf("SC_CLK_TCK")


def limits(path: Path = ROOT / "compose.yaml") -> dict[str, int]:
    """Return the bytes that each service of the compose file may have, by its name."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["services"]
    return {
        name: int(service["mem_limit"][:-1]) * UNITS[service["mem_limit"][-1]]
        for name, service in services.items()
        if "mem_limit" in service
    }


def resident(pid: int, field: str = "VmHWM:") -> int:
    """Return the most bytes that a process has had, and those that its children have now.

    With `VmRSS:` its own are those that it has now. A child's shared pages count in part, since a
    fork shares most of them. 0 for no process.
    """
    try:
        own = _kib(Path(f"/proc/{pid}/status"), field)
    except OSError:
        return 0
    return (own + sum(map(_shared, _children(pid)))) * KIB


def _shared(pid: int) -> int:
    try:
        return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") + sum(map(_shared, _children(pid)))
    except OSError:
        return 0


def _children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return found


def _kib(path: Path, field: str) -> int:
    for line in path.read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS


def machine_cpu_seconds() -> float:
    """Return the processor time of all processes of the machine."""
    user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    return (int(user) + int(nice) + int(system)) / TICKS


def waiting_seconds() -> float:
    """Return the time in which something on the machine waited for a core, 0 if it is unknown."""
    try:
        (line, *_) = Path("/proc/pressure/cpu").read_text().splitlines()
    except OSError:
        return 0.0
    return int(line.rpartition("total=")[2]) / 1_000_000


@dataclass
class Usage:
    """What a part of the service has used, whatever process it was at the time."""

    pid: int = 0
    now: int = 0
    peak: int = 0
    earlier_cpu: float = 0.0
    own_cpu: float = 0.0

    @property
    def cpu(self) -> float:
        return self.earlier_cpu + self.own_cpu

    def sample(self, pid: int) -> None:
        if pid != self.pid:
            self.pid, self.earlier_cpu, self.own_cpu = pid, self.cpu, 0.0
        self.now = resident(pid, "VmRSS:")
        self.peak = max(self.peak, resident(pid))
        self.own_cpu = max(self.own_cpu, cpu_seconds(pid))


@contextlib.contextmanager
def sampled(pids: Callable[[], Mapping[str, int]]) -> Iterator[dict[str, Usage]]:
    """Sample processes until the block ends; yield what each has used so far, by name."""
    used = {name: Usage() for name in pids()}
    over = threading.Event()

    def sample() -> None:
        while not over.wait(PERIOD_SECONDS):
            for name, pid in pids().items():
                used[name].sample(pid)

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield used
    finally:
        over.set()
        thread.join()

"""The memory of a service's processes: the most that each had, and what it may have."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml  # type: ignore[import-untyped]  # its stubs are no dependency

from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PERIOD_SECONDS: Final = 0.5
KIB: Final = 1024
MIB: Final = 1024 * 1024
UNITS: Final = {"k": KIB, "m": MIB, "g": 1024 * MIB}


def limits(path: Path = ROOT / "compose.yaml") -> dict[str, int]:
    """Return the bytes that each service of the compose file may have, by its name."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["services"]
    return {
        name: int(service["mem_limit"][:-1]) * UNITS[service["mem_limit"][-1]]
        for name, service in services.items()
        if "mem_limit" in service
    }


def resident(pid: int) -> int:
    """Return the most bytes that a process has had, and those that its children have now.

    A child's shared pages count in part, since a fork shares most of them. 0 for no process.
    """
    try:
        own = _kib(Path(f"/proc/{pid}/status"), "VmHWM:")
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


@contextlib.contextmanager
def sampled(pids: Callable[[], Mapping[str, int]]) -> Iterator[dict[str, int]]:
    """Sample the processes until the block ends; yield the peaks of each, in bytes."""
    peaks: dict[str, int] = {}
    over = threading.Event()

    def sample() -> None:
        while not over.wait(PERIOD_SECONDS):
            for name, pid in pids().items():
                peaks[name] = max(peaks.get(name, 0), resident(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()

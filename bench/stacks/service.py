"""A running service: its addresses, its processes by role, and what they have used."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.usage import cpu_seconds, resident_mib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from urllib.parse import SplitResult

    from bench.loads.loops import Address
    from bench.stacks.server import BenchServer
    from tests.support.processes import Process


@dataclass(frozen=True)
class Used:
    """CPU seconds of each role, and the server's calls by kind."""

    cpu: Mapping[str, float]
    calls: Counter[str]


class Service:
    """What is measured. `scale` sets the number of workers, where there can be any.

    `workers` returns those that there are, by name.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a service is made of
        self,
        name: str,
        server: BenchServer | None,
        pids: Callable[[], Mapping[str, Iterable[int]]],
        urls: Callable[[], Iterable[SplitResult]],
        scale: Callable[[int], None] = lambda _: None,
        workers: Callable[[], Mapping[str, Process]] = dict,
    ) -> None:
        self.name = name
        self.scale = scale
        self.workers = workers
        self._server = server
        self._pids = pids
        self._urls = urls
        self._numbers = itertools.count()

    @property
    def server(self) -> BenchServer:
        if self._server is None:
            raise RuntimeError(f"{self.name} has no server")
        return self._server

    @property
    def addresses(self) -> list[Address]:
        return [(url.hostname or "", url.port or 80) for url in self._urls()]

    @property
    def url(self) -> str:
        return next(iter(self._urls())).geturl()

    def new_id(self, prefix: str) -> str:
        """Return an id that this service has not seen."""
        return f"{prefix}-{next(self._numbers):06}"

    def pids(self) -> Mapping[str, Iterable[int]]:
        """Return the processes of each role."""
        return self._pids()

    def used(self) -> Used:
        """Return what has been used up to now."""
        cpu = {role: sum(map(cpu_seconds, _trees(pids))) for role, pids in self._pids().items()}
        return Used(cpu, self._server.calls() if self._server else Counter())

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop all processes until the block ends."""
        pids = [pid for each in self._pids().values() for pid in _trees(each)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def memory(self) -> dict[str, float]:
        """Return the resident MiB of each role."""
        return {
            f"mib_{role}": sum(map(resident_mib, _trees(pids)))
            for role, pids in self._pids().items()
        }

    def since(self, before: Used, count: int) -> dict[str, float]:
        """Return CPU µs by role and the server's calls, both for each of `count` operations."""
        now, each = self.used(), max(count, 1)
        cpu = {
            f"cpu_{role}_us": (now.cpu[role] - before.cpu[role]) / each * 1e6 for role in now.cpu
        }
        calls = now.calls - before.calls
        kinds = {f"calls_{kind}": number / each for kind, number in sorted(calls.items())}
        return {**cpu, **kinds}


def end_children() -> None:
    """End the processes of this one that nobody has ended: a signal can interrupt a start."""
    for pid in set(_trees([os.getpid()])) - {os.getpid()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _trees(pids: Iterable[int]) -> Iterable[int]:
    """Yield the processes and their descendants."""
    for pid in pids:
        yield pid
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                yield from _trees(map(int, (task / "children").read_text().split()))

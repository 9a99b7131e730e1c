"""Where the CPU time of a begin, a wait and a job goes: stacks of the interpreter, by py-spy.

py-spy looks at a process from outside, so many times a second, and writes the stack of the thread
that has the interpreter. A sample counts for the innermost function that one of the groups knows.
What libraries in C do counts for the Python function that has called them; system calls without the
interpreter are left out, as the time of the kernel is read from /proc.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from bench.parts.part import Part, begin_request, closed, drained, newest, repeated
from bench.parts.waits import requests
from tests.support.processes import ROOT
from tests.support.usage import times_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.parts.part import Case, Options, Values
    from bench.stacks.service import Service

SAMPLES_PER_SECOND: Final = 400
SECONDS: Final = 5
"""Seconds of a load, for each of `--seconds`."""

REST: Final = "rest"
PROFILE: Final = "profile"

GATEWAY: Final = {
    "sending answers": ("SmallResponse.write_eof ",),
    "hand-over to threads": ("gateway/concurrency/", "threading.py"),
    "calls to the server": ("shared/resonate/", "gateway/backend/", "resonate/"),
    "input": ("gateway/inputs/",),
    "access log": ("gateway/http/access_log.py", "shared/log.py"),
    "news of executions": ("gateway/updates/", "gateway/presence/"),
    "routes and answers": ("gateway/", "shared/"),
    "aiohttp": ("aiohttp/", "yarl/", "multidict/"),
    "event loop": ("uvloop/", "asyncio/"),
}
WORKER: Final = {
    "calls to the server": ("shared/resonate/", "worker/store/"),
    "tasks, leases and presence": ("worker/tasks/", "worker/presence/", "shared/presence.py"),
    "log": ("shared/log.py", "structlog/"),
    "SDK": ("resonate/",),
    "slots and functions": ("worker/", "durable_http/", "bench/"),
    "threads": ("threading.py", "concurrent/futures/"),
}
"""The groups of a process, and the functions and paths by which each is known. The first counts."""


def profiles(service: Service, options: Options) -> Iterator[Case]:
    """Profile gateway and a worker while jobs are begun, and the gateway while one is polled."""
    pids = service.pids()
    mark = newest(service)
    with (
        Profile(next(iter(pids["gateway"])), GATEWAY) as gateway,
        Profile(next(iter(pids["workers"])), WORKER) as worker,
    ):
        values = closed(service, repeated(begin_request()), options.seconds * SECONDS)
    drained(service, mark, int(values["count"]))
    for name, profile in (("gateway", gateway), ("workers", worker)):
        yield f"begin: {name}", {**profile.shares(), "cpu_us": values[f"cpu_{name}_us"]}
    for name, one in requests(service):
        with Profile(next(iter(pids["gateway"])), GATEWAY) as gateway:
            values = closed(service, repeated(one), options.seconds * SECONDS)
        yield f"wait {name}: gateway", {**gateway.shares(), "cpu_us": values["cpu_gateway_us"]}


class Profile:
    """Samples the stacks of a process within the block. Raises `RuntimeError` if py-spy cannot."""

    def __init__(self, pid: int, groups: Mapping[str, Sequence[str]]) -> None:
        self._groups = groups
        self._folder = tempfile.TemporaryDirectory()
        self._output = Path(self._folder.name) / "stacks"
        self._command = [
            *(str(Path(sys.executable).with_name("py-spy")), "record", "--gil", "--nonblocking"),
            *("--pid", str(pid), "--rate", str(SAMPLES_PER_SECOND)),
            *("--format", "raw", "--full-filenames", "--output", str(self._output)),
        ]
        self._samples: Counter[str] = Counter()
        self._pid = pid

    def __enter__(self) -> Self:
        self._before = times_of(self._pid)
        try:
            self._child = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise RuntimeError(f"py-spy cannot be started: {error}") from error
        return self

    def __exit__(self, *error: object) -> None:
        user, system = (b - a for a, b in zip(self._before, times_of(self._pid), strict=True))
        self._kernel = system / max(user + system, 1e-9)
        self._child.send_signal(signal.SIGINT)
        printed = self._child.communicate(timeout=30)[0]
        if not self._output.exists():
            raise RuntimeError(f"py-spy cannot look at the process: {printed.decode()[-300:]}")
        for line in self._output.read_text("utf-8", "replace").splitlines():
            stack, count = line.rsplit(" ", 1)
            self._samples[group_of(stack, self._groups)] += int(count)
        self._folder.cleanup()

    def shares(self) -> Values:
        """Return the shares of the groups and of the kernel in percent, and the samples."""
        total = self._samples.total()
        shares = {each: 100 * self._samples[each] / max(total, 1) for each in [*self._groups, REST]}
        return {
            **{f"share_{group}": share for group, share in shares.items()},
            "kernel": 100 * self._kernel,
            "samples": total,
        }


def group_of(stack: str, groups: Mapping[str, Sequence[str]]) -> str:
    """Return the group of a stack, which is written as `outer (path:line);inner (path:line)`."""
    for frame in reversed(stack.split(";")):
        function, _, path = frame.rpartition(" (")
        path = path.removeprefix(f"{ROOT}/").rpartition("site-packages/")[2]
        for group, marks in groups.items():
            if any(mark == f"{function} " or f"/{mark}" in f"/{path}" for mark in marks):
                return group
    return REST


PARTS: Final = (Part(PROFILE, profiles, ("ours",), workers=3, once=True),)

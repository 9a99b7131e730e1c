"""Gateways and workers as real processes, each with its log in a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).parents[2]


def wait_until[T](condition: Callable[[], T], *, seconds: float = 30.0, what: str = "it") -> T:
    """Return the first truthy value of the condition, or fail once the time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.01)


@dataclass
class Process:
    """A child `python -m <module> <arguments>`; `environment` is all that it gets to see.

    With a `launcher` the command begins, which replaces itself with the rest.
    """

    module: str
    environment: Mapping[str, str]
    log: Path
    launcher: Sequence[str] = ()
    arguments: Sequence[str] = ()
    child: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _earlier: int = field(default=0, init=False)

    def start(self) -> None:
        self._earlier = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [*self.launcher, sys.executable, "-m", self.module, *self.arguments],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        assert self.child is not None
        return self.child.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        assert self.child is not None
        self.child.kill()
        self.child.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM; returns the exit code."""
        assert self.child is not None
        self.child.terminate()
        return self.child.wait(seconds)

    def end(self) -> None:
        """End it, in whatever state it is."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.kill()

    def running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def events(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """Return the log's events by name and fields, without a line that is being written."""
        return self._events(0, event, fields)

    def started(self, event: str) -> dict[str, Any]:
        """Wait for an event that this start has logged, and return it."""

        def found() -> list[dict[str, Any]]:
            lives = self.running()
            events = self._events(self._earlier, event, {})
            if not (events or lives):
                said = self.log.read_bytes()[self._earlier :].decode(errors="replace")
                raise AssertionError(f"{self.log.stem} has ended before {event!r}: {said[-2000:]}")
            return events

        return wait_until(found, what=f"{event} of {self.log.stem}")[0]

    def _events(
        self, offset: int, event: str | None, fields: Mapping[str, object]
    ) -> list[dict[str, Any]]:
        found = []
        for line in self.log.read_bytes()[offset:].splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if event is not None and entry.get("event") != event:
                continue
            if all(entry.get(key) == value for key, value in fields.items()):
                found.append(entry)
        return found


@dataclass(frozen=True)
class Answer:
    """What a gateway answered."""

    status: int
    body: Any
    headers: Mapping[str, str]


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in an interpreter of its own, and return its output, with any exit code."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def call(
    url: str,
    method: str = "GET",
    body: object = None,
    timeout: float = 10.0,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make one HTTP request; a refusal is an answer like any other."""
    data = None if body is None else json.dumps(body).encode()
    sent = {**({} if data is None else {"Content-Type": "application/json"}), **(headers or {})}
    request = urllib.request.Request(url, data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Answer(
                response.status, json.loads(response.read() or b"null"), dict(response.headers)
            )
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, json.loads(error.read() or b"null"), dict(error.headers))

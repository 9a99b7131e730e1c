"""Merges the logs of all processes into one stream of lines, as JSON or as columns."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from tools.run.line_writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHUNK: Final = 65536
LONGEST_LINE: Final = 1024 * 1024
"""Bytes of a read, and of a line that is printed as one."""

SUPERVISOR_LINE: Final = re.compile(rb"[-0-9]+ [:,0-9]+ [A-Z]+ (?P<event>.*)")
SUPERVISOR_NOISE: Final = (b"success:", b"waiting for", b"supervisord started", b"Set uid")
"""Beginnings of the supervisor's lines that are not printed."""


class Output:
    """Reads a named pipe per process and prints whole lines; `log` prints events of our own.

    Lines that cannot be printed, because the terminal was closed or nobody reads them, are dropped.
    """

    def __init__(self, *, readable: bool) -> None:
        colors = readable and sys.stdout.isatty()
        self._readable = readable
        self._renderer = structlog.dev.ConsoleRenderer(
            colors=colors, pad_event_to=30, exception_formatter=structlog.dev.plain_traceback
        )
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)
        self._lock = threading.Lock()
        self._writer = LineWriter(sys.stdout.fileno())
        self._partial: dict[str, bytes] = {}

    def add_pipe(self, name: str, path: Path) -> None:
        """Make a named pipe for the lines of a process."""
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        # Opened for writing too: without a writer of our own the pipe would end with its process.
        self.add(name, os.open(path, os.O_RDWR | os.O_NONBLOCK))

    def add(self, name: str, descriptor: int) -> None:
        """Print the lines from an open pipe."""
        self._selector.register(descriptor, selectors.EVENT_READ, name)

    def start(self) -> None:
        self._thread.start()

    def log(self, event: str, **fields: object) -> None:
        """Print an event of the launcher's own."""
        self._print_event({"process": "run", "event": event, "level": "info", **fields})

    def show(self, text: str) -> None:
        """Print text unchanged, or as an event if the output is JSON."""
        if self._readable:
            self._print(text.encode() + b"\n")
        else:
            self.log("try", text=text)

    def _read(self) -> None:
        while True:
            for key, _ in self._selector.select():
                try:
                    chunk = os.read(key.fd, CHUNK)
                except BlockingIOError:
                    continue
                if not chunk:
                    self._selector.unregister(key.fd)
                    continue
                self._take(key.data, chunk)

    def _take(self, name: str, chunk: bytes) -> None:
        *lines, rest = (self._partial.pop(name, b"") + chunk).split(b"\n")
        if len(rest) > LONGEST_LINE:
            lines.append(rest)
            rest = b""
        self._partial[name] = rest
        for line in filter(None, lines):
            self._print_line(name, line)

    def _print_line(self, name: str, line: bytes) -> None:
        if name == "supervisor" and (match := SUPERVISOR_LINE.fullmatch(line)):
            line = match["event"]
            if line.startswith(SUPERVISOR_NOISE):
                return
        try:
            entry = orjson.loads(line)
        except orjson.JSONDecodeError:
            entry = None
        if not isinstance(entry, dict):
            text = line.decode(errors="replace")
            self._print_event({"process": name, "event": text, "level": "info"})
        elif self._readable:
            self._print_event(entry)
        else:
            self._print(line + b"\n")

    def _print_event(self, entry: Mapping[str, Any]) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"timestamp": stamp, **entry}
        if not self._readable:
            self._print(orjson.dumps(event, default=str) + b"\n")
            return
        event["timestamp"] = str(event["timestamp"])[11:23]
        name = event.pop("process", "?")
        if event.get("worker") == name:
            del event["worker"]
        process = f"{name:<9}"
        event.pop("level", None)
        event["event"] = f"{process} {event['event']}"
        self._print(str(self._renderer(None, "", event)).encode() + b"\n")

    def _print(self, line: bytes) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._writer.write(line)

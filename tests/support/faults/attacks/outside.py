"""What goes out: webhooks to receivers that do not take them, lines of logs that nobody reads."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from tests.support.faults.attacks.attack import Attack
from tests.support.faults.attacks.client import Broken
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from tests.support.faults.attacks.attack import Bout

LINES: Final = 5000
LINE: Final = b'{"event":"request","process":"gateway"}' + b" " * 80 + b"\n"
LINES_SECONDS: Final = 20.0

PRINTER: Final = """
import time
from tools.run.output import Output
output = Output(readable=False)
output.add("gateway", 0)
output.start()
time.sleep(60)
"""
"""Prints the lines of its standard input as `make run` does."""


def webhooks(bout: Bout) -> None:
    """Begin executions whose webhooks go to a receiver that hangs, or answers 503."""
    for id in bout.ids(6):
        bout.begin(id, "foo", {}, callback=bout.random.choice(bout.target.receivers))
    for id in bout.ids(6):
        bout.ended(id, 30)


def unread_output(bout: Bout) -> None:
    """Write more lines to what prints the logs of `make run` than a pipe takes, and read none."""
    command = [sys.executable, "-c", PRINTER]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as printer:
        try:
            assert printer.stdin is not None
            left = _unwritten(printer.stdin.fileno(), LINE * LINES, bout)
        finally:
            printer.kill()
    if left and not bout.target.over.is_set():
        raise Broken(f"{left} bytes of lines were not taken within {LINES_SECONDS:g} s")


def _unwritten(descriptor: int, data: bytes, bout: Bout) -> int:
    """Write while the other side reads; return how many bytes are left when the time is over."""
    os.set_blocking(descriptor, False)
    end = time.monotonic() + LINES_SECONDS
    while data and time.monotonic() < end and not bout.target.over.is_set():
        _, ready, _ = select.select([], [descriptor], [], 0.2)
        if ready:
            data = data[os.write(descriptor, data) :]
    return len(data)


ATTACKS: Final = (
    Attack("webhooks", 15, webhooks),
    Attack("unread-output", 30, unread_output),
)

"""Renews the leases of a worker from a process of its own: `python -m worker.tasks.renewer`.

A step can hold the lock of the worker's interpreter for seconds, so that no thread of the worker
runs. The worker is alive then, and its claims must be renewed; from a thread of its own they would
not be. This process renews them, and lets go as soon as the worker is stopped or gone:

    state of the worker              renewed
    runs, sleeps, holds the lock     yes
    SIGSTOP, held by a debugger      no, until it goes on
    zombie, gone                     no, and this process ends
    its threads have not run for     no: the worker is ended, so that it is started again
    `SILENT_SECONDS`

It imports nothing of the SDK, and ends with its standard input, which is a pipe of the worker.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from shared.resonate.tasks import Tasks
from shared.resonate.transport import Refused, Transport, Unanswered
from shared.settings import ServerSettings
from worker.tasks.board import RENEWALS_PER_LEASE, Board

SILENT_SECONDS: Final = 60.0
"""Seconds for which a worker may hold claims without that its threads run: far longer than a step
should hold the interpreter's lock."""

SILENT_LEASES: Final = 2
"""The same in leases, for leases that are very long."""

STOPPED: Final = frozenset("Tt")
DEAD: Final = frozenset("ZXx")
"""States of a process in /proc/<pid>/stat."""


@dataclass(frozen=True)
class Order:
    """What a renewer is to do; the worker writes it as the first line of its standard input."""

    server: ServerSettings
    pid: str
    """Under this process id the server knows the worker's claims."""

    worker: int
    lease: float
    board: int
    """The number of the file that is the shared board."""

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Order:
        fields = json.loads(line)
        return cls(**{**fields, "server": ServerSettings(**fields["server"])})


class Renewals:
    """Renews all claims of `pid` every third of a lease, while the worker lives and holds any."""

    def __init__(self, tasks: Tasks, pid: str, board: Board, lease: float) -> None:
        self._tasks = tasks
        self._pid = pid
        self._board = board
        self._lease = lease
        self._beats = -1
        self._silent = 0

    @property
    def period(self) -> float:
        return self._lease / RENEWALS_PER_LEASE

    def turn(self, state: str) -> float:
        """Renew if the worker's state allows it; return the seconds until the next turn."""
        began = time.monotonic()
        beats = self._board.beats
        if state in STOPPED or beats != self._beats or not self._board.held:
            self._beats, self._silent = beats, 0
        else:
            self._silent += 1
        if self._board.held and state not in STOPPED | DEAD and not self.silent():
            self._renew(began)
        return max(0.0, began + self.period - time.monotonic())

    def silent(self) -> bool:
        """Return whether the worker has held claims for too long while none of its threads ran."""
        limit = max(SILENT_SECONDS, SILENT_LEASES * self._lease)
        return self._silent * self.period > limit

    def _renew(self, began: float) -> None:
        try:
            self._tasks.heartbeat(self._pid)
        except (Refused, Unanswered) as error:
            self._board.failed(str(error))
        else:
            self._board.renewed(began, time.monotonic(), self._lease)


def state_of(process: int) -> str:
    """Return the state of a process as one letter, `X` if it is gone."""
    if not Path("/proc/self/stat").exists():
        answer = subprocess.run(  # noqa: S603 - a number
            ["/bin/ps", "-o", "state=", "-p", str(process)], capture_output=True, check=False
        )
        return answer.stdout.decode().strip()[:1] or "X"
    try:
        # The program's name is in parentheses, and may contain any character.
        return Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2][1]
    except OSError:
        return "X"


def end_with(worker: int) -> None:
    """Have the kernel end this process with the worker (Linux); end it if the worker has ended."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - only this function needs it

        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != worker:
        sys.exit("the worker has ended")


def main() -> None:
    """Renew until standard input ends or the worker is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a worker that drains still needs renewals
        signal.signal(number, signal.SIG_IGN)
    order = Order.decode(sys.stdin.buffer.readline())
    end_with(order.worker)
    transport = Transport(order.server, attempt=order.lease / RENEWALS_PER_LEASE, budget=0)
    board = Board(order.board)
    renewals = Renewals(Tasks(transport), order.pid, board, order.lease)
    board.renewer = os.getpid()
    while os.getppid() == order.worker:
        state = state_of(order.worker)
        if state in DEAD:
            return
        pause = renewals.turn(state)
        if renewals.silent():
            print("renewer: no thread of the worker runs; it is ended", file=sys.stderr)  # noqa: T201
            os.kill(order.worker, signal.SIGKILL)
            return
        if select.select([sys.stdin], [], [], pause)[0]:
            return


if __name__ == "__main__":
    main()

"""Runs a program that ends with its parent: `die_with_parent SIGNAL PIDFILE COMMAND …`.

A parent that gets SIGKILL cannot stop its children, so the kernel does that (Linux only).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path


def end_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends. On Linux only."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - it takes 10 ms to import, and only this function needs it

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h; it survives exec
    ctypes.CDLL(None).prctl(set_parent_death_signal, number)


def main(number: int, pid_file: Path, command: list[str]) -> None:
    """Write our pid, which the program inherits, and replace this process by the program."""
    parent = os.getppid()
    end_with_parent(number)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.getppid() != parent:
        sys.exit("the parent has ended")
    pid_file.write_text(f"{os.getpid()}\n")
    os.execvp(command[0], command)  # noqa: S606 - replacing this process is the point


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])

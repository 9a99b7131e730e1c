"""Writes lines to a descriptor, and drops lines instead of waiting for a reader that takes none."""

from __future__ import annotations

import fcntl
import os
import select
import stat
import struct
import termios
from typing import Final

PATIENCE_MILLISECONDS: Final = 200
"""Milliseconds to wait for a reader that takes its time, before lines are dropped."""

PAGE: Final = 4096
"""Bytes by which Linux counts the room in a pipe."""


PIPE_LINE: Final = 1024 * 1024
"""Bytes of the longest line that is written to an empty pipe."""


class LineWriter:
    """Writes to a terminal, a file or a pipe; `make run | less` must not stop the service.

    1. The reader is slow: a line waits for it, `PATIENCE_MILLISECONDS` at most.
    2. It takes nothing: that line is dropped, and so is every line until the reader takes some.
    3. It reads again: a line says how many were dropped.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._dropped = 0

    def write(self, line: bytes) -> None:
        """Write a line or drop it. Raises `OSError` if the descriptor was closed."""
        notice = b"%d lines dropped: nobody read them\n" % self._dropped if self._dropped else b""
        if self._has_room(len(line) + len(notice)):
            self._dropped = 0
            _write_all(self._descriptor, notice + line)
        else:
            self._dropped += 1

    def _has_room(self, size: int) -> bool:
        patience = 0 if self._dropped else PATIENCE_MILLISECONDS
        if not self._poll.poll(patience):
            return False
        return not self._is_pipe or size <= self._free()

    def _free(self) -> int:
        """Return for how many bytes the pipe surely has room: a page may be used in part."""
        answer = fcntl.ioctl(self._descriptor, termios.FIONREAD, b"\0" * 4)
        unread = int(struct.unpack("i", answer)[0])
        free: int = fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ) - unread
        # An empty pipe takes any line that its reader is about to read.
        return free - PAGE if unread else max(free, PIPE_LINE)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]

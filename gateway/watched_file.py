"""A file that is read again when it has changed."""

from __future__ import annotations

import hashlib
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

SETTLED_NANOSECONDS: Final = 2 * 10**9
"""Age from which a file's time tells its content: two writes within one tick have the same time."""


class Unreadable(Exception):
    """The file cannot be read; the message says why."""


@dataclass(frozen=True)
class Stamp:
    """What tells one state of a file from another without reading it; `modified` is in ns."""

    modified: int
    size: int
    inode: int
    device: int

    def is_settled(self) -> bool:
        """Return whether any later write gives the file another stamp."""
        return abs(time.time_ns() - self.modified) > SETTLED_NANOSECONDS


class WatchedFile:
    """A regular file, of which `most` bytes are read and one more; one thread at a time uses it."""

    def __init__(self, path: Path, most: int) -> None:
        self.path = path
        self._most = most
        self._stamp: Stamp | None = None
        self._seen = ""

    def read(self) -> bytes:
        """Return the content. Raises `Unreadable`."""
        content = self._look()
        if isinstance(content, str):
            raise Unreadable(content)
        return content

    def read_if_changed(self) -> bytes | None:
        """Return the content, or None if it is as it was when it was last read.

        Raises `Unreadable`, for the same reason only once.
        """
        if self._stamp is not None and self._stamp == self._current_stamp():
            return None
        seen = self._seen
        content = self._look()
        if self._seen == seen:
            return None
        if isinstance(content, str):
            raise Unreadable(content)
        return content

    def _look(self) -> bytes | str:
        """Return the file's content, or why there is none; remember which it was."""
        stamp = self._current_stamp()  # before the content, so that a write meanwhile is noticed
        content = self._content()
        self._stamp = stamp if stamp is not None and stamp.is_settled() else None
        self._seen = content if isinstance(content, str) else hashlib.sha256(content).hexdigest()
        return content

    def _current_stamp(self) -> Stamp | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return Stamp(found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)

    def _content(self) -> bytes | str:
        try:
            if not stat.S_ISREG(self.path.stat().st_mode):  # to open a pipe would wait for ever
                return "it is not a regular file"
            with self.path.open("rb") as file:
                return file.read(self._most + 1)
        except OSError as error:
            return error.strerror or str(error)

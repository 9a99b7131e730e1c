"""Ports for the processes that a test starts."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import random
import socket
import tempfile
import threading
from pathlib import Path
from typing import Final

PORTS: Final = range(12_000, 32_000)
"""Below those that Linux gives to connections, 32768 and above: a port that a process is to listen
on in a moment must not be taken by a connection before."""

_taken: Final[set[int]] = set()
_lock: Final = threading.Lock()


def free_port() -> int:
    """Return a port that nobody listens on, and no other test gets while this process lives."""
    return consecutive_ports(1)


def neighbouring_ports() -> int:
    """Return the first of two such ports, of which the other one comes next."""
    return consecutive_ports(2)


def consecutive_ports(count: int) -> int:
    """Return the first of so many such ports in a row."""
    with _lock:
        for _ in PORTS:
            first = random.choice(PORTS[:-1])
            if all(map(_take, range(first, first + count))):
                return first
    raise RuntimeError("no port is free")


def _take(port: int) -> bool:
    """Take a port if nobody has it. One that is taken in vain stays so; there are enough."""
    if port in _taken:
        return False
    try:
        fcntl.lockf(_table(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _taken.add(port)
    with contextlib.suppress(OSError), socket.create_server(("", port)):
        return True
    return False


@functools.cache
def _table() -> int:
    """Return a file of which each process locks the bytes of its ports, until it ends."""
    path = Path(tempfile.gettempdir()) / f"ports-of-tests-{os.getuid()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

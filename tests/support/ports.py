"""Ports for the processes that a test starts."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from typing import Final

PORTS: Final = range(12_000, 32_000)
"""Below those that Linux gives to connections, 32768 and above: a port that a process is to listen
on in a moment must not be taken by a connection before."""

_taken: Final[dict[int, int]] = {}
"""The ports of this process, each with the file by which it has it."""

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
    # A name, without a file, that one process has until it ends.
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0port-of-tests-{port}")
    except OSError:
        name.close()
        return False
    _taken[port] = name.detach()
    with contextlib.suppress(OSError), socket.create_server(("", port)):
        return True
    return False

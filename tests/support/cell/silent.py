"""A way to PostgreSQL on which nothing arrives any more, and nobody says so."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OF_GUARDS: Final = b"resonate_guard"
"""What is in the first message of a guard, and not of a server."""

SIZE: Final = 65536


class Way:
    """Passes bytes to a port of this host and back."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.asked = 0
        """How often guards have asked for something."""

        self._is_open = True
        self._passing: list[_Passing] = []
        self._silent: list[socket.socket] = []
        _in_background(self._listen)

    def lose_connections(self, wait: Callable[[], object] = lambda: None) -> None:
        """Forget those that are there, as if PostgreSQL's machine had been replaced.

        PostgreSQL ends its sessions, for which is waited. A server, which waits for an answer,
        notices nothing; a guard does, since its kernel asks for signs of life.
        """
        passing, self._passing = self._passing, []
        for each in passing:
            each.is_lost = True
            _end(each.far)
        wait()
        for each in passing:
            if each.is_of_guard:
                _end(each.near)
            else:
                self._silent.append(each.near)

    def cut(self) -> None:
        """Pass nothing any more, also for new connections."""
        self._is_open = False
        self.lose_connections()

    def heal(self) -> None:
        """Pass what new connections send."""
        self._is_open = True

    def close(self) -> None:
        """End all connections."""
        _end(self._listener)
        self.lose_connections()
        for each in self._silent:
            _end(each)

    def _listen(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._is_open:
                _in_background(self._take, near)
            else:
                self._silent.append(near)

    def _take(self, near: socket.socket) -> None:
        first = near.recv(SIZE)
        far = socket.create_connection(("127.0.0.1", self._upstream))
        far.sendall(first)
        passing = _Passing(OF_GUARDS in first, near, far)
        self._passing.append(passing)
        _in_background(passing.answer)
        for _ in passing.pass_on(near, far):
            self.asked += passing.is_of_guard


class _Passing:
    def __init__(self, is_of_guard: bool, near: socket.socket, far: socket.socket) -> None:  # noqa: FBT001 - in this file
        self.is_of_guard, self.near, self.far = is_of_guard, near, far
        self.is_lost = False

    def answer(self) -> None:
        for _ in self.pass_on(self.far, self.near):
            pass

    def pass_on(self, source: socket.socket, target: socket.socket) -> Iterator[None]:
        with contextlib.suppress(OSError):
            while data := source.recv(SIZE):
                if self.is_lost:
                    return
                target.sendall(data)
                yield
        if not self.is_lost:
            _end(self.near)
            _end(self.far)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _in_background(run: object, *arguments: object) -> None:
    def quietly() -> None:
        with contextlib.suppress(OSError):
            assert callable(run)
            run(*arguments)

    threading.Thread(target=quietly, daemon=True).start()


@contextlib.contextmanager
def way_to(upstream: int) -> Iterator[Way]:
    """Have a way to a port of this host until the block ends."""
    way = Way(upstream)
    try:
        yield way
    finally:
        way.close()

"""What a process that was forked from this one must not keep: our connections and our signals."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

_private: Final[weakref.WeakSet[socket.socket]] = weakref.WeakSet()
_forking: Final = threading.local()
_received: Final[set[signal.Signals]] = set()


def keep_private(connection: socket.socket) -> None:
    """Have the connection closed in every child that is forked from this process.

    A child that kept it would hold the connection open after our death, and the server would go on
    to send to nobody.
    """
    _private.add(connection)


def receive_signals(numbers: Iterable[signal.Signals], wakeup: socket.socket) -> None:
    """Write the number of each such signal to a socket; children have their usual effects.

    Call this from the main thread.
    """
    _received.update(numbers)
    for number in _received:
        signal.signal(number, _ignore)
    signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    # The process that started this one may have blocked them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _received)


def _ignore(*_: object) -> None:
    """Do nothing: the wake-up was written before this handler is called."""


def _before() -> None:
    # Between the fork and `_in_child` a signal of the child would be written to our own wake-up.
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _received)


def _in_parent() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _in_child() -> None:
    if _received:
        signal.set_wakeup_fd(-1)
        for number in _received:
            signal.signal(number, signal.SIG_DFL)
    for connection in list(_private):
        descriptor = connection.detach()
        if descriptor >= 0:
            os.close(descriptor)
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

"""Checks before the start. Each fault is one line with the way to correct it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING, TextIO

from gateway.settings import gateway_settings
from shared.environment import SettingsError
from worker.settings import worker_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.run.plan import DataPaths, Ports


class NotStartedError(Exception):
    """The service cannot start; `faults` are lines for the user."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def take_lock(paths: DataPaths) -> TextIO:
    """Lock the data folder until the returned file is closed. Raises `NotStartedError`.

    The kernel releases the lock when the process ends, so a left-over lock file is harmless.
    """
    try:
        paths.data.mkdir(parents=True, exist_ok=True)
        lock = paths.lock.open("a+")
    except OSError as error:
        raise NotStartedError(
            f"{paths.data}: {error.strerror}; set DATA_DIR to another folder"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "?"
        lock.close()
        raise NotStartedError(
            f"already running on {paths.data}: press Ctrl-C there, or kill {holder}"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def check_settings(environment: Mapping[str, str]) -> None:
    """Raise `NotStartedError` with a line for every variable at fault."""
    faults: dict[str, None] = {}
    for read in (gateway_settings, worker_settings):
        try:
            read(environment, terminal=False)
        except SettingsError as error:
            faults |= dict.fromkeys(error.faults)
    if faults:
        raise NotStartedError(*faults)


def check_ports(ports: Ports) -> None:
    """Raise `NotStartedError` with a line for every port that is in use."""
    faults = []
    for name, port in ports.by_variable().items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                reason = (
                    "is in use"
                    if error.errno == errno.EADDRINUSE
                    else f"cannot be used: {error.strerror}"
                )
                faults.append(f"port {port} {reason}: free it, or set {name} to another")
    if len(set(ports.by_variable().values())) < len(ports.by_variable()):
        faults.append(f"{', '.join(ports.by_variable())} must differ")
    if faults:
        raise NotStartedError(*faults)

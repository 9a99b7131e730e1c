"""What must be right before anything starts; each fault is one line that says how to mend it."""

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
    """Hold the data folder for as long as the returned file is open.

    The kernel drops the lock with its process, so a lock file that stays behind is never in the
    way. Raises `NotStartedError`.
    """
    try:
        paths.data.mkdir(parents=True, exist_ok=True)
        lock = paths.lock.open("a+")
    except OSError as error:
        raise NotStartedError(f"{paths.data}: {error.strerror}; DATA_DIR names a folder") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "?"
        lock.close()
        raise NotStartedError(
            f"it is running already on {paths.data}: Ctrl-C there, or kill {holder}"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def check_settings(environment: Mapping[str, str]) -> None:
    """Raise `NotStartedError` with every variable at fault."""
    faults: dict[str, None] = {}
    for read in (gateway_settings, worker_settings):
        try:
            read(environment, terminal=False)
        except SettingsError as error:
            faults |= dict.fromkeys(error.faults)
    if faults:
        raise NotStartedError(*faults)


def check_ports(ports: Ports) -> None:
    """Raise `NotStartedError` with every port that something else listens on."""
    faults = []
    for name, port in ports.named().items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                why = (
                    "is taken"
                    if error.errno == errno.EADDRINUSE
                    else f"cannot be had: {error.strerror}"
                )
                faults.append(f"port {port} {why}: stop what uses it, or set {name}")
    if len(set(ports.named().values())) < len(ports.named()):
        faults.append(f"{', '.join(ports.named())} must differ")
    if faults:
        raise NotStartedError(*faults)

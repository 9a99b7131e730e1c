"""Checks before the start. Each fault is one line with the way to correct it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from typing import TYPE_CHECKING, TextIO

from gateway.concurrency.processes import PortTaken, require_free
from gateway.environment import LAST_PORT, gateway_settings
from gateway.settings import PresenceSettings
from shared.environment import SettingsError
from worker.settings import worker_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.settings import GatewaySettings
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


def check_settings(environment: Mapping[str, str]) -> GatewaySettings:
    """Return the gateway's. Raises `NotStartedError` with a line for every variable at fault."""
    faults: dict[str, None] = {}
    for read in (gateway_settings, worker_settings):
        try:
            read(environment, terminal=False)
        except SettingsError as error:
            faults |= dict.fromkeys(error.faults)
    if faults:
        raise NotStartedError(*faults)
    return gateway_settings(environment, terminal=False)


def check_ports(ports: Ports) -> None:
    """Raise `NotStartedError` with a line for every port that is in use."""
    faults = [
        f"port {port} {fault}: free it, or set {name} to another"
        for name, port in ports.by_variable().items()
        if (fault := port_fault(port)) is not None
    ]
    if len(set(ports.by_variable().values())) < len(ports.by_variable()):
        faults.append(f"{', '.join(ports.by_variable())} must differ")
    if faults:
        raise NotStartedError(*faults)


def port_fault(port: int) -> str | None:
    """Return why nothing can listen on a port here, or None."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            return "is in use" if in_use else f"cannot be used: {error.strerror}"
    return None


def presence_port(ports: Ports, settings: GatewaySettings, *, is_chosen: bool) -> int:
    """Return the first of the ports at which the gateway's processes listen for workers.

    If the user has not chosen it, it is the next one from which on enough ports are free. Raises
    `NotStartedError`.
    """
    presence, count = settings.presence, settings.processes
    if is_chosen and presence.port:
        _require_free(presence.host, range(presence.port, presence.port + count), ports)
        return presence.port
    for first in range(PresenceSettings.port, LAST_PORT - count + 2):
        with contextlib.suppress(NotStartedError):
            _require_free(presence.host, range(first, first + count), ports)
            return first
    raise NotStartedError("no port is free for workers: set GATEWAY_PRESENCE_PORT")


def _require_free(host: str, wanted: range, ports: Ports) -> None:
    advice = "set GATEWAY_PRESENCE_PORT to another"
    for name, port in ports.by_variable().items():
        if port in wanted:
            raise NotStartedError(f"port {port} is for {name}: {advice}")
    try:
        require_free(host, wanted)
    except PortTaken as error:
        raise NotStartedError(f"{error}: free it, or {advice}") from None

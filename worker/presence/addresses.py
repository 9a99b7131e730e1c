"""Where gateways listen: names are looked up again and again, since gateways come and go."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.presence import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOOK_SECONDS: Final = 2.0
"""Seconds between two looks."""

MOST_GATEWAYS: Final = 16
"""Connections that a worker keeps, at most."""


class Addresses:
    """The numeric addresses of gateways, by their names as they were looked up last."""

    def __init__(self, names: Sequence[Address]) -> None:
        self._names = names
        self._found: dict[Address, tuple[Address, ...]] = {}
        self._ports: dict[str, tuple[int, ...]] = {}
        self._closed = threading.Event()
        # Looking a name up may take many seconds.
        self._thread = threading.Thread(target=self._run, name="presence-names", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def current(self) -> tuple[Address, ...]:
        """Return the addresses that are known now."""
        found = dict.fromkeys(address for each in self._found.values() for address in each)
        for host, ports in list(self._ports.items()):
            if any(address.host == host for address in found):
                found |= dict.fromkeys(Address(host, port) for port in ports)
        return tuple(found)[:MOST_GATEWAYS]

    def note_ports(self, host: str, ports: Iterable[int]) -> None:
        """Note at which ports of a host the processes of a gateway listen."""
        self._ports[host] = tuple(ports)

    def _run(self) -> None:
        while True:
            for name in self._names:
                self._look_up(name)
            if self._closed.wait(LOOK_SECONDS):
                return

    def _look_up(self, name: Address) -> None:
        try:
            found = socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
        except OSError as error:
            # What was found before may still be right: a name server can be away for a while.
            self._log.debug("gateways not found", name=name.host, reason=str(error))
            return
        self._found[name] = tuple(Address(str(address[0]), name.port) for *_, address in found)

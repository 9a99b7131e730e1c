"""Where gateways listen: names are looked up again and again, since gateways come and go."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from shared.log import get_logger
from shared.presence import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOOK_SECONDS: Final = 2.0
"""Seconds between two looks."""


class Addresses:
    """The numeric addresses of gateways, by their names as they were looked up last."""

    def __init__(self, names: Sequence[Address]) -> None:
        self._found: dict[Address, tuple[Address, ...]] = dict.fromkeys(names, ())
        self._siblings: dict[Address, tuple[Address, ...]] = {}
        self._closed = threading.Event()
        # Looking a name up may take many seconds, for which no other name should wait.
        self._threads = [
            threading.Thread(target=self._run, args=(name,), name="presence-names", daemon=True)
            for name in self._found
        ]
        self._log = get_logger()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._closed.set()

    def is_alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def current(self) -> tuple[Address, ...]:
        """Return the addresses that are known now."""
        found = self._looked_up()
        siblings = [each for address in found for each in self._siblings.get(address, ())]
        return tuple(dict.fromkeys([*found, *siblings]))

    def note_ports(self, address: Address, ports: Iterable[int]) -> None:
        """Note at which ports the processes of a gateway listen, from what one of them says."""
        found = set(self._looked_up())
        self._siblings = {each: some for each, some in self._siblings.items() if each in found}
        if address in found:
            self._siblings[address] = tuple(Address(address.host, port) for port in ports)

    def _looked_up(self) -> list[Address]:
        return [address for each in self._found.values() for address in each]

    def _run(self, name: Address) -> None:
        while True:
            self._look_up(name)
            if self._closed.wait(LOOK_SECONDS):
                return

    def _look_up(self, name: Address) -> None:
        try:
            found = socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            # What was found before may still be right: a name server can be away for a while.
            self._log.debug("gateways not found", name=name.host, reason=str(error))
            return
        self._found[name] = tuple(Address(_host(address), name.port) for *_, address in found)


def _host(address: tuple[Any, ...]) -> str:
    """Return the host of a socket's address; that of a link-local one needs its interface."""
    match address:
        case (host, _, _, int(interface)) if interface and "%" not in host:
            return f"{host}%{interface}"
        case _:
            return str(address[0])

"""Who must know a new map: gateways, which are asked for it, and HAProxy, which is told."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tools.api import Api, NotAnsweredError
from tools.cells import slot_map
from tools.cells.haproxy import commands, slots_file
from tools.cells.slot_map import MapError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.cells.hash_slots import SlotMap

PAUSE_SECONDS: Final = 0.1
"""Seconds between two rounds of asking."""

SOCKET_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Followers:
    """The gateways of the map, and each HAProxy, by its admin socket: a path or host:port.

    `slots` is the file that an HAProxy reads at its start. `publish_command` brings the map to
    where gateways read it, if that is not the file itself. Gateways have `seconds` to follow.
    """

    token: str = ""
    sockets: Sequence[str] = ()
    slots: Path | None = None
    publish_command: str = ""
    seconds: float = 30.0

    def publish(self) -> None:
        """Run the command. Raises `MapError`."""
        if not self.publish_command:
            return
        done = subprocess.run(self.publish_command, shell=True, check=False)  # noqa: S602 - the user's own
        if done.returncode:
            raise MapError(f"{self.publish_command!r} ended with {done.returncode}")

    def await_gateways(self, slots: SlotMap) -> None:
        """Return once each gateway of each cell says this generation. Raises `MapError`."""
        until = time.monotonic() + self.seconds
        left = [(cell, url) for cell, urls in slots.cells.items() for url in urls]
        while left:
            said = [(cell, url, self.said(cell, url)) for cell, url in left]
            left = [(cell, url) for cell, url, word in said if word != slots.generation]
            if left and time.monotonic() > until:
                words = "; ".join(
                    f"gateway {url} of cell {cell} {_words(word)}"
                    for cell, url, word in said
                    if word != slots.generation
                )
                raise MapError(f"{words}, {self.seconds:g} s after generation {slots.generation}")
            if left:
                time.sleep(PAUSE_SECONDS)

    def said(self, cell: str, url: str) -> int | str:
        """Return the generation that a gateway says is in force, or why it is not known."""
        if _is_shared(url):
            return "has several addresses: name each gateway by itself"
        try:
            answer = Api(url, self.token).ask("GET", "/cells")
        except NotAnsweredError:
            return "cannot be asked"
        if answer.status != 200:
            return f"answers {answer.status}"
        if answer.body["cell"] != cell:
            return f"says that it is of cell {answer.body['cell']}"
        return int(answer.body["generation"]) or "has a process that does not answer"

    def balance(self, slots: SlotMap) -> None:
        """Have each HAProxy send requests to the owners by this map. Raises `MapError`."""
        if self.slots is not None:
            slot_map.write(self.slots, slots_file(slots).encode())
        for address in self.sockets:
            try:
                _set(address, slots)
            except OSError as error:
                raise MapError(
                    f"HAProxy at {address} cannot be told: {error}. It still sends to former"
                    " cells, which pass requests on: run the same command again"
                ) from None


def _is_shared(url: str) -> bool:
    """Return whether a name stands for several gateways, of which only one would be asked."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return False
    return len({address for *_, address in found}) > 1


def _words(said: int | str) -> str:
    return said if isinstance(said, str) else f"has generation {said}"


def _set(address: str, slots: SlotMap) -> None:
    """Tell an HAProxy, and look whether it has every hash slot. Raises `OSError`."""
    number = next(
        line.split()[0] for line in _command(address, "show map").splitlines()[1:] if line.strip()
    )
    # Of a cell that is not in its configuration yet it has no server, and says so.
    _command(address, "; ".join(commands(slots, number)))
    pairs = slots_file(slots).splitlines()
    shown = _command(address, f"show map #{number}").splitlines()
    if sorted(line.partition(" ")[2] for line in shown if line) != sorted(pairs):
        raise OSError("it has not taken the new map")


def _command(address: str, command: str) -> str:
    """Return the answer of HAProxy at its admin socket. Raises `OSError`."""
    host, colon, port = address.rpartition(":")
    if colon and "/" not in address:
        connection = socket.create_connection((host, int(port)), SOCKET_SECONDS)
    else:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SOCKET_SECONDS)
        connection.connect(address)
    with connection:
        connection.sendall(f"{command}\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

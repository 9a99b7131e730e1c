"""Who must know a new map: gateways, which are asked for it, and HAProxy, which is told."""

from __future__ import annotations

import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.cells import slot_map
from tools.cells.asking import NOT_ASKED, answered, printed
from tools.cells.haproxy import commands, slots_file, with_owners
from tools.cells.slot_map import MapError, OtherMapError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from gateway.cells.hash_slots import SlotMap

PAUSE_SECONDS: Final = 0.1
"""Seconds between two rounds of asking."""

ASK_SECONDS: Final = 5.0
LEAST_ASK_SECONDS: Final = 1.0
"""Seconds for an answer in a round that begins when the time is nearly over."""

MOST_ASKED: Final = 256
"""Gateways that are asked at the same time."""

SOCKET_SECONDS: Final = 5.0
COMMANDS_BYTES: Final = 4096
"""Bytes of a line for HAProxy's admin socket: it refuses those that fill its buffer of 16 KiB."""


@dataclass(frozen=True)
class InForce:
    """The map that is in force in a gateway, by what it says; the digest may be empty."""

    generation: int
    digest: str

    def __str__(self) -> str:
        if not self.generation:
            return "has a process that does not answer, or a map older than one it had before"
        return f"has generation {self.generation}"

    def is_of(self, slots: SlotMap) -> bool:
        return (self.generation, self.digest) == (slots.generation, slots.digest)

    def never_becomes(self, slots: SlotMap) -> bool:
        """Return whether the gateway refuses this map, since it has a later one or another one."""
        return self.generation >= slots.generation and not self.is_of(slots)


class Gateway(NamedTuple):
    """A gateway of the map."""

    cell: str
    url: str


@dataclass(frozen=True)
class Followers:
    """The gateways of the map, and each HAProxy, by its admin socket: a path or host:port.

    `slots` and `configuration` are the files that an HAProxy reads at its start. `publish_command`
    brings the map to where gateways read it, if that is not the file itself. Gateways have
    `seconds` to follow. `ask_command`, with a gateway's address, prints its answer to GET /cells
    where no request can be sent from here.
    """

    token: str = ""
    sockets: Sequence[str] = ()
    slots: Path | None = None
    configuration: Path | None = None
    publish_command: str = ""
    seconds: float = 30.0
    ask_command: str = ""

    def publish(self) -> None:
        """Run the command. Raises `MapError`."""
        if not self.publish_command:
            return
        done = subprocess.run(self.publish_command, shell=True, check=False)  # noqa: S602 - the user's own
        if done.returncode:
            raise MapError(f"{self.publish_command!r} ended with {done.returncode}")

    def await_gateways(self, slots: SlotMap) -> None:
        """Return once all gateways of all cells say, at the same time, that this map is in force.

        Raises `OtherMapError` if one of them never will, and `MapError`.
        """
        until = time.monotonic() + self.seconds
        every = left = _gateways(slots)
        while True:
            seconds = min(ASK_SECONDS, max(LEAST_ASK_SECONDS, until - time.monotonic()))
            late = _late(slots, self.said(left, seconds))
            if not late and left == every:
                return
            if late and time.monotonic() > until:
                words = "; ".join(late.values())
                raise MapError(f"{words}, {self.seconds:g} s after generation {slots.generation}")
            if late:
                time.sleep(PAUSE_SECONDS)
            # One that has followed may have been started again since, with an older map.
            left = list(late) or every

    def said_of(self, slots: SlotMap) -> dict[Gateway, InForce | str]:
        """Return what each gateway says of the map."""
        return self.said(_gateways(slots), min(ASK_SECONDS, self.seconds))

    def said(self, gateways: Sequence[Gateway], seconds: float) -> dict[Gateway, InForce | str]:
        """Ask gateways at the same time; return what is in force, or why it is not known."""
        pool = ThreadPoolExecutor(min(len(gateways), MOST_ASKED))
        asked = {gateway: pool.submit(self._ask, gateway, seconds) for gateway in gateways}
        wait(asked.values(), timeout=seconds)
        said = {
            gateway: answer.result() if answer.done() else NOT_ASKED
            for gateway, answer in asked.items()
        }
        pool.shutdown(wait=False, cancel_futures=True)
        return said

    def _ask(self, gateway: Gateway, seconds: float) -> InForce | str:
        if self.ask_command:
            body = printed(self.ask_command, gateway.url, seconds)
        else:
            body = answered(gateway.url, self.token, seconds)
        if isinstance(body, str):
            return body
        try:
            cell, digest = body["cell"], str(body["digest"])
            generation = int(body["generation"])
        except (KeyError, TypeError, ValueError):
            return "does not say which map is in force"
        if cell != gateway.cell:
            return f"says that it is of cell {cell}"
        return InForce(generation, digest)

    def balance(self, slots: SlotMap) -> None:
        """Have each HAProxy send requests to the owners by this map. Raises `MapError`."""
        if self.slots is not None:
            slot_map.write(self.slots, slots_file(slots).encode())
        if self.configuration is not None:
            slot_map.write(self.configuration, _configured(self.configuration, slots))
        for address in self.sockets:
            try:
                _set(address, slots)
            except OSError as error:
                raise MapError(
                    f"HAProxy at {address} cannot be told: {error}. It still sends to former"
                    " cells, which pass requests on: run the same command again"
                ) from None


def _gateways(slots: SlotMap) -> list[Gateway]:
    return [Gateway(cell, url) for cell, urls in slots.cells.items() for url in urls]


def _late(slots: SlotMap, said: Mapping[Gateway, InForce | str]) -> dict[Gateway, str]:
    """Return in words which gateways do not have this map. Raises `OtherMapError`."""
    late = {}
    for gateway, word in said.items():
        named = f"gateway {gateway.url} of cell {gateway.cell}"
        if isinstance(word, str) or not word.is_of(slots):
            late[gateway] = f"{named} {word}"
        if isinstance(word, InForce) and word.never_becomes(slots):
            raise OtherMapError(
                f"{named} {word} of another map; this file has generation {slots.generation}:"
                " somebody else changes the map too, or has not raised its generation"
            )
    return late


def _configured(file: Path, slots: SlotMap) -> bytes:
    """Return the content of HAProxy's configuration by this map. Raises `MapError`."""
    try:
        return with_owners(file.read_bytes().decode(), slots).encode()
    except (OSError, UnicodeError) as error:
        raise MapError(f"{file} cannot be read: {error}") from None


def _set(address: str, slots: SlotMap) -> None:
    """Tell an HAProxy, and look whether it has every hash slot. Raises `OSError`."""
    number = next(
        line.split()[0] for line in _command(address, "show map").splitlines()[1:] if line.strip()
    )
    for line in _lines(commands(slots, number)):
        # Of a cell that is not in its configuration yet it has no server, and says so.
        _command(address, line)
    pairs = slots_file(slots).splitlines()
    shown = _command(address, f"show map #{number}").splitlines()
    if sorted(line.partition(" ")[2] for line in shown if line) != sorted(pairs):
        raise OSError("it has not taken the new map")


def _lines(commands: Sequence[str]) -> Iterator[str]:
    """Yield lines of several commands each, none of them too long."""
    line = ""
    for command in commands:
        if line and len(line) + len(command) > COMMANDS_BYTES:
            yield line
            line = ""
        line = f"{line}; {command}" if line else command
    yield line


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

"""What a worker tells gateways about itself over a connection that breaks when the worker dies.

Each line is a JSON array that begins with the kind of message. Nothing depends on it: without such
a connection the server offers the executions of a dead worker when their leases end.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from shared.environment import TOKEN_GRAMMAR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.environment import EnvironmentReader

LINE_BYTES: Final = 256 * 1024
"""Longest line: the greeting of a worker with some thousand versions of functions."""

OFFERS_PER_LINE: Final = 200
"""Offers that are told with one line."""

MOST_CLAIMS: Final = 4096
MOST_OFFERS: Final = 4096
"""Claims and offers of one worker that a gateway keeps; it refuses a worker with more."""

ALIVE_SECONDS: Final = 0.5
"""Seconds between two signs of life of a worker. Silence is no death, but what a silent worker has
said may be out of date."""

KEEP_ALIVE_SECONDS: Final = 1
"""Seconds of silence after which the kernel asks whether the other side is still there."""

type Port = Annotated[int, Meta(ge=1, le=65535)]
type Text = Annotated[str, Meta(max_length=1024)]
type Number = Annotated[int, Meta(ge=0, le=2**53)]
type Numbers = dict[str, list[Number]]
type OfferName = tuple[Text, Number]
"""The task of an offer and its counter."""


class Hello(Struct, array_like=True, tag="hello", frozen=True):
    """The first message of a worker. Times are milliseconds since the epoch."""

    secret: Text
    worker: Text
    pid: Text
    group: Text
    slots: Number
    started_at: Number
    serves: Numbers
    """The versions of each function that it serves."""


class Restated(Struct, array_like=True, tag="restated", frozen=True):
    """What the worker told before is to be forgotten once all of it is told anew.

    That begins behind the first of these messages, which is not `complete`, and ends before the
    second.
    """

    complete: bool = False


class Claimed(Struct, array_like=True, tag="claimed", frozen=True):
    """The worker asks the server for this claim, or has it."""

    task: Text
    counter: Number
    execution: Text


class Running(Struct, array_like=True, tag="running", frozen=True):
    """What runs under a claim, if it takes longer than a moment.

    `step` is the step that was started last, None once it has ended. `is_retried` says that it has
    failed here and is tried again. Of an execution that `reports` the store knows how far it is.
    Workers of older releases do not name the `function`.
    """

    task: Text
    counter: Number
    attempt: Number
    recovered_from: Text | None
    step: Text | None
    is_retried: bool
    reports: bool
    function: Text = ""


class Ended(Struct, array_like=True, tag="ended", frozen=True):
    """The claim is over."""

    task: Text
    counter: Number


class Offers(Struct, array_like=True, tag="offers", frozen=True):
    """Offers that the worker keeps for later, and those that it keeps no longer."""

    added: list[OfferName]
    removed: list[OfferName]


class Alive(Struct, array_like=True, tag="alive", frozen=True):
    """The worker's threads run; it says so every `ALIVE_SECONDS`."""


class Bye(Struct, array_like=True, tag="bye", frozen=True):
    """The worker ends the connection, and does not die with it.

    It has handed back what it held, or goes on and connects anew.
    """


class Welcome(Struct, array_like=True, tag="welcome", frozen=True):
    """The gateway's answer to a greeting.

    At each of the `ports` of the same host a process of this gateway listens.
    """

    gateway: Text
    ports: list[Port]


class Refusal(Struct, array_like=True, tag="refusal", frozen=True):
    """The gateway closes the connection, for this reason."""

    reason: Text


type FromWorker = Hello | Restated | Claimed | Running | Ended | Offers | Alive | Bye
type FromGateway = Welcome | Refusal

_encoder: Final = msgspec.json.Encoder()
from_worker: Final = msgspec.json.Decoder(
    Hello | Restated | Claimed | Running | Ended | Offers | Alive | Bye
)
from_gateway: Final = msgspec.json.Decoder(Welcome | Refusal)
"""Both raise `ValueError` for anything else, or `RecursionError` where it is nested deeply."""


def line_of(message: FromWorker | FromGateway) -> bytes:
    """Return a message as a line."""
    return _encoder.encode(message) + b"\n"


class Lines:
    """Cuts what arrives into lines. Raises `ValueError` for one that is too long."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def add(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that are complete now."""
        *ends, rest = data.split(b"\n")
        for end in ends:
            line = bytes(self._lengthened(end))
            self._rest = bytearray()
            yield line
        self._lengthened(rest)

    def _lengthened(self, piece: bytes) -> bytearray:
        # In place: a line that comes byte by byte is not copied with each of them.
        self._rest += piece
        if len(self._rest) > LINE_BYTES:
            raise ValueError("a line is too long")
        return self._rest


def notice_vanished_peer(connection: socket.socket, seconds: float) -> None:
    """Have the kernel end the connection if the other host does not answer for so many seconds.

    A process that is only stopped does not count: its kernel answers.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPALIVE", "TCP_KEEPINTVL"):  # as Linux and macOS call them
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), KEEP_ALIVE_SECONDS)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = max(KEEP_ALIVE_SECONDS, int(seconds)) * 1000
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


class Address(NamedTuple):
    """A host, by name or number, and a port."""

    host: str
    port: int


def read_presence_secret(read: EnvironmentReader) -> str:
    """Read the secret that workers and gateways share, from a setting or from a file.

    Without it there are no connections.
    """
    name, secret = "PRESENCE_SECRET", read.text("PRESENCE_SECRET", "")
    path = read.text("PRESENCE_SECRET_FILE", "")
    if path and not secret:
        name = "PRESENCE_SECRET_FILE"
        try:
            secret = Path(path).read_text("utf-8", "replace").strip()
        except OSError as error:
            read.faults.append(f"{name} cannot be read: {path}: {error.strerror}")
            return ""
        if not secret:
            read.faults.append(f"{name} is empty: {path}")
    if secret and not TOKEN_GRAMMAR.fullmatch(secret):  # not shown: it is a secret
        read.faults.append(f"{name}: the secret must match {TOKEN_GRAMMAR.pattern}")
        return ""
    return secret

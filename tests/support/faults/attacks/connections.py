"""Connections that keep what they take: endless bodies, stalled readers, floods, crowds."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from tests.support.faults.attacks.attack import Attack
from tests.support.faults.attacks.client import ANSWER_SECONDS, REFUSED, Broken
from tests.support.gateway.raw import posted, request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.faults.attacks.attack import Bout

MIB: Final = 1024 * 1024
TAKES_NOTHING: Final = 4096
"""Bytes that a client's socket takes at most before it reads."""


@contextlib.contextmanager
def connections(
    address: tuple[str, int], count: int, *, buffer: int | None = None
) -> Iterator[list[socket.socket]]:
    """Open connections and close them at the end of the block; one that is refused is left out."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            if buffer is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            client.settimeout(ANSWER_SECONDS)
            with contextlib.suppress(OSError):
                client.connect(address)
                opened.append(client)
        yield opened


def send_to_each(clients: Sequence[socket.socket], sent: bytes) -> None:
    """Send the same bytes on all connections, as far as the other side takes them."""
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(sent)


def read_each(clients: Sequence[socket.socket], seconds: float) -> list[bytes]:
    """Return what has come on each connection once all have something, or after this time."""
    end, waiting = time.monotonic() + seconds, set(clients)
    while waiting and time.monotonic() < end:
        ready, _, _ = select.select(waiting, [], [], max(0.0, end - time.monotonic()))
        waiting.difference_update(ready)
    return [_read(client) for client in clients if client not in waiting]


def _read(client: socket.socket) -> bytes:
    try:
        return client.recv(65536)
    except OSError:
        return b""


def endless_bodies(bout: Bout) -> None:
    """Send 80 bodies of 1 MiB that lack their last bytes, more than the gateway's budget."""
    with connections(bout.address, 80) as clients:
        length, given = f"Content-Length: {MIB}", b" " * (MIB - 10)
        for number, client in enumerate(clients):
            path = ("begin?", "signal?name=a&", "cancel?")[number % 3]
            line = f"/{path}id={bout.prefix}-{number}"
            client.settimeout(1)
            send_to_each([client], posted(line, length, body=given))
        bout.pause(5)


def slow_heads(bout: Bout) -> None:
    """Send the heads of 50 requests, a byte at a time."""
    head = request("GET /healthz HTTP/1.1")
    with connections(bout.address, 50) as clients:
        for position, _ in zip(range(len(head) - 2), bout.during(10, 0.5), strict=False):
            send_to_each(clients, head[position : position + 1])


def connection_flood(bout: Bout) -> None:
    """Hold 300 connections that say nothing; another is answered meanwhile."""
    address = bout.address
    with connections(address, 300):
        bout.pause(4)
        with connections(address, 1) as others:
            send_to_each(others, request("GET /healthz HTTP/1.1"))
            if not any(read_each(others, ANSWER_SECONDS)):
                raise Broken("beside 300 idle connections /healthz was not answered")
        bout.pause(4)


def pipelining(bout: Bout) -> None:
    """Send 4,000 requests on one connection without a pause, and take their answers."""
    path = bout.random.choice(("/healthz", "/wait?id=.", "/nope", "/begin?id=."))
    sent = request(f"GET {path} HTTP/1.1") * 100
    with connections(bout.address, 1) as clients:
        for client in clients:
            client.settimeout(1)
            for _ in range(40):
                send_to_each([client], sent)
                _take(client)


def _take(client: socket.socket) -> None:
    """Take what has come, without waiting for more."""
    while select.select([client], [], [], 0)[0]:
        if not _read(client):
            return


def stalled_readers(bout: Bout) -> None:
    """Ask 60 times for a result of almost 1 MiB, also as events, and take nothing of it."""
    (id,) = bout.ids(1)
    bout.create(id, "bulky", 1000)
    if not bout.ended(id, 30):
        return
    with connections(bout.address, 60, buffer=TAKES_NOTHING) as clients:
        for number, client in enumerate(clients):
            path = ("result", "wait", "events")[number % 3]
            send_to_each([client], request(f"GET /{path}?id={id} HTTP/1.1"))
        bout.pause(8)


def event_readers(bout: Bout) -> None:
    """Follow the events of one execution 30 times, break off, and go on from an old event."""
    (id,) = bout.ids(1)
    bout.begin(id, "countdown", {"from": 6, "every": 0.5})
    address, last = bout.address, ""
    for _ in range(3):
        line = request(f"GET /events?id={id} HTTP/1.1", f"Last-Event-ID: {last}")
        with connections(address, 30) as clients:
            send_to_each(clients, line)
            for answer in read_each(clients, 5):
                _judge_stream(id, answer)
            bout.pause(1)
    bout.ended(id, 30)


def _judge_stream(id: str, answer: bytes) -> None:
    status = int(answer.split(b" ")[1][:3]) if answer.startswith(b"HTTP/1.1 ") else 200
    if status not in {200, 204, *REFUSED}:
        raise Broken(f"/events of {id} was answered {status}")


def long_polls(bout: Bout) -> None:
    """Wait for one execution with 150 clients; all of them are answered."""
    (id,) = bout.ids(1)
    bout.begin(id, "countdown", {"from": 3, "every": 1})
    with connections(bout.address, 150) as clients:
        send_to_each(clients, request(f"GET /wait?id={id}&wait=10s HTTP/1.1"))
        answers = read_each(clients, 10 + ANSWER_SECONDS)
    if len(answers) < len(clients):
        raise Broken(f"{len(clients) - len(answers)} of {len(clients)} long polls had no answer")
    bout.ended(id, 30)


ATTACKS: Final = (
    Attack("endless-bodies", 15, endless_bodies),
    Attack("slow-heads", 20, slow_heads),
    Attack("connection-flood", 15, connection_flood),
    Attack("pipelining", 10, pipelining),
    Attack("stalled-readers", 15, stalled_readers),
    Attack("event-readers", 8, event_readers),
    Attack("long-polls", 10, long_polls),
)

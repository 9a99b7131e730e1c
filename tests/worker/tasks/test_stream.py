"""Offers are read from a real event stream, which a test writes byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import pytest

from shared.resonate.streams import stream_path
from shared.settings import ServerSettings
from tests.support.processes import wait_until
from worker.tasks.offers import Inbox
from worker.tasks.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(task: str, counter: int = 1, kind: str = "invoke", **more: object) -> bytes:
    """Return an offer as the server writes it."""
    offer = {"type": kind, "task": {"id": task, "counter": counter}, "head": {}, **more}
    return b"data: " + orjson.dumps(offer) + b"\n\n"


@dataclass
class Peer:
    """The server's end of one connection."""

    socket: socket.socket
    head: bytes
    chunked: bool = False

    def begin(self, answer: bytes = PLAIN) -> Peer:
        self.socket.sendall(answer)
        self.chunked = answer == CHUNKED
        return self

    def write(self, data: bytes) -> None:
        self.socket.sendall(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def gone(self) -> bool:
        """Return whether the other end has closed the connection; wait for up to 5 s."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


@dataclass
class Server:
    """Takes connections in a thread, and answers them with its `greeting` if it has one."""

    greeting: bytes | None = None
    peers: list[Peer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(5)
            head = b""
            while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
                head += more
            peer = Peer(connection, head)
            if self.greeting is not None:
                peer.begin(self.greeting)
            self.peers.append(peer)

    def peer(self, number: int = 0) -> Peer:
        """Wait for the n-th connection."""
        wait_until(lambda: len(self.peers) > number, what=f"connection {number}")
        return self.peers[number]

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for peer in self.peers:
            peer.socket.close()


@pytest.fixture(name="server")
def _server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def streaming(
    server: Server,
    inbox: Inbox,
    renew_seconds: float = 60.0,
    may_claim: Callable[[], bool] = lambda: True,
) -> Iterator[Stream]:
    """Run a stream from the server; its threads are gone when the block ends."""
    settings = ServerSettings("http://127.0.0.1", 0, server.port, "u", "p")
    stream = Stream(
        settings, stream_path("blue", "a b/c"), inbox, may_claim, renew_seconds=renew_seconds
    )
    stream.start()
    try:
        yield stream
    finally:
        stream.close()
        stream._thread.join(5)
        for peer in server.peers:
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: not readers(), what="the end of the readers")
        assert not stream.is_alive()


def readers() -> list[threading.Thread]:
    """Return the threads that read connections."""
    return [thread for thread in threading.enumerate() if thread.name == "stream-reader"]


def take(inbox: Inbox, number: int) -> list[tuple[str, str, int]]:
    """Wait for this many offers and return them."""
    wait_until(lambda: len(inbox) >= number, what=f"{number} offers")
    found = [inbox.take() for _ in range(number)]
    return [(each.kind, each.task, each.counter) for each in found if each is not None]


def test_a_stream_names_its_process(server: Server) -> None:
    """The request names the group and the process, escaped, and carries the user's credentials."""
    with streaming(server, Inbox()) as stream:
        head = server.peer().begin().head.split(b"\r\n")
        wait_until(stream.is_open, what="the stream")

    assert head[0] == b"GET /blue/a%20b%2Fc HTTP/1.1"
    assert b"Authorization: Basic dTpw" in head


def test_nothing_is_offered_to_a_worker_that_may_not_claim(server: Server) -> None:
    """The stream is opened once the worker may claim, and one that never may can be closed."""
    ready, looks = threading.Event(), []

    def may_claim() -> bool:
        looks.append(len(server.peers))
        return ready.is_set()

    with streaming(server, Inbox(), may_claim=may_claim) as stream:
        wait_until(lambda: len(looks) > 3, what="looks")
        assert not stream.is_open()
        ready.set()
        server.peer().begin()
        wait_until(stream.is_open, what="the stream")
    assert set(looks) == {0}

    with streaming(server, Inbox(), may_claim=lambda: False):
        pass


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED], ids=["plain", "chunked"])
def test_many_events_may_come_in_one_read(server: Server, answer: bytes) -> None:
    """Events that arrive together are read one by one, with garbage between them."""
    inbox = Inbox()
    with streaming(server, inbox):
        server.peer().begin(answer).write(
            event("__invoke:a")
            + b": comment\n\n"
            + b"data: garbage\n\n"
            + b'data: {"type":"invoke","task":{}}\n\n'
            + b"\xff\xff\n"
            + event("__resume:b:b.1", 2, "resume")
            + b'data: {"type":"notify"}\n\n'
            + event("__invoke:c", 3).replace(b"\n\n", b"\r\n\r\n")
        )

        assert take(inbox, 3) == [
            ("resume", "__resume:b:b.1", 2),
            ("invoke", "__invoke:a", 1),
            ("invoke", "__invoke:c", 3),
        ]
        assert len(inbox) == 0


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED], ids=["plain", "chunked"])
def test_an_event_may_come_in_pieces(server: Server, answer: bytes) -> None:
    """Nothing is lost or read twice wherever the stream is cut, even inside a character."""
    inbox = Inbox()
    events = event("__invoke:é-😀") + event("__invoke:last")
    with streaming(server, inbox):
        peer = server.peer().begin(answer)
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in events:
            peer.write(bytes([byte]))

        assert take(inbox, 2) == [("invoke", "__invoke:é-😀", 1), ("invoke", "__invoke:last", 1)]


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED], ids=["plain", "chunked"])
def test_a_long_line_is_read(server: Server, answer: bytes) -> None:
    """An event of a megabyte is read like any other event."""
    inbox = Inbox()
    with streaming(server, inbox):
        long = event("__invoke:long", 1, more="x" * 2**20)
        server.peer().begin(answer).write(long + event("__invoke:next"))

        assert take(inbox, 2) == [("invoke", "__invoke:long", 1), ("invoke", "__invoke:next", 1)]


def test_a_stream_that_ends_is_opened_again(server: Server) -> None:
    """Events before and after the end of a connection are read; half a line is not."""
    inbox = Inbox()
    with streaming(server, inbox) as stream:
        first = server.peer().begin()
        first.write(event("__invoke:a") + event("__invoke:lost")[:20])
        first.socket.shutdown(socket.SHUT_RDWR)
        server.peer(1).begin().write(event("__invoke:b"))

        assert [task for _, task, _ in take(inbox, 2)] == ["__invoke:a", "__invoke:b"]
        assert (stream.is_open(), stream.is_alive()) == (True, True)


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 503 Busy\r\n\r\n", b"what?\r\n"], ids=["none", "no", "garbage"]
)
def test_a_refused_stream_is_requested_again(server: Server, answer: bytes) -> None:
    """After a refusal or no answer the stream stays closed until a later request succeeds."""
    inbox = Inbox()
    with streaming(server, inbox) as stream:
        refused = server.peer()
        refused.socket.sendall(answer)
        refused.socket.shutdown(socket.SHUT_RDWR)
        accepted = server.peer(1)
        assert not stream.is_open()
        accepted.begin().write(event("__invoke:a"))

        assert take(inbox, 1) == [("invoke", "__invoke:a", 1)]
        wait_until(stream.is_open, what="an open stream")


def test_a_stream_is_renewed_without_a_gap(server: Server) -> None:
    """A new connection is opened in time, and the old one is read until the server ends it."""
    inbox = Inbox()
    server.greeting = PLAIN
    with streaming(server, inbox, renew_seconds=0.03) as stream:
        third = server.peer(2)
        assert stream.is_open()
        server.peer(0).write(event("__invoke:old"))
        third.write(event("__invoke:new"))

        tasks = {task for _, task, _ in take(inbox, 2)}

    assert tasks == {"__invoke:old", "__invoke:new"}


def test_a_full_inbox_leaves_the_group(server: Server) -> None:
    """A worker with a full inbox ends its connection, and opens the next when there is room."""
    inbox = Inbox(fewest=2)
    with streaming(server, inbox, renew_seconds=60) as stream:
        peer = server.peer().begin()
        peer.write(event("__invoke:a") + event("__invoke:b"))

        assert peer.gone()
        peer.write(event("__invoke:c"))
        wait_until(lambda: len(inbox) == 3, what="the last offer")
        peer.socket.shutdown(socket.SHUT_RDWR)
        wait_until(stream.is_open, what="the stream")
        assert len(server.peers) == 1
        take(inbox, 2)
        server.peer(1).begin().write(event("__invoke:d"))

        assert [task for _, task, _ in take(inbox, 2)] == ["__invoke:c", "__invoke:d"]


def test_a_worker_with_room_again_comes_back_at_once(server: Server) -> None:
    """However often its inbox has room before the server has ended the connection."""
    inbox = Inbox(fewest=2)
    with streaming(server, inbox, renew_seconds=60):
        began = time.monotonic()
        for number in range(8):
            peer = server.peer(number).begin()
            peer.write(event(f"__invoke:a{number}") + event(f"__invoke:b{number}"))
            assert peer.gone()
            take(inbox, 2)
            peer.socket.shutdown(socket.SHUT_RDWR)
        server.peer(8).begin()

        assert time.monotonic() - began < 2  # with pauses that grow it takes 4 s


def test_a_closed_stream_leaves_the_group(server: Server) -> None:
    """Closing ends the connection, so that the server offers nothing more, and ends the thread."""
    inbox = Inbox()
    with streaming(server, inbox) as stream:
        peer = server.peer().begin()
        wait_until(stream.is_open, what="the stream")
        stream.close()

        assert peer.gone()
        wait_until(lambda: not stream.is_alive(), what="the end")

    assert len(server.peers) == 1


def test_a_stream_waits_for_its_server() -> None:
    """Without a server the stream is not open, keeps trying, and can be closed at any time."""
    gone = Server()
    gone.end()
    with streaming(gone, Inbox()) as stream:
        assert (stream.is_open(), stream.is_alive()) == (False, True)
        stream.close()
        wait_until(lambda: not stream.is_alive(), seconds=5, what="the end")

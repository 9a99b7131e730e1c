"""One connection to the server: how answers are framed, and what is no answer."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest

from shared.resonate.connection import (
    Address,
    AnswerParser,
    BrokenAnswer,
    Connection,
    head_of,
    request_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = request_of("GET", "/x", head_of({"Host": "h"}), None)


@contextlib.contextmanager
def playing(*pieces: bytes, hangs_up: bool = True, timeout: float = 5.0) -> Iterator[Connection]:
    """Yield a connection to a peer that answers its first request with these pieces."""

    def play() -> None:
        with contextlib.suppress(OSError):
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                for piece in pieces:
                    peer.sendall(piece)
                    time.sleep(0.01)  # so that each is received on its own
                if not hangs_up:
                    done.wait(10)

    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=play)
        thread.start()
        connection = Connection(
            Address("127.0.0.1", listener.getsockname()[1], timeout, secure=False)
        )
        try:
            yield connection
        finally:
            connection.close()
            done.set()
            thread.join(5)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nDate: now\r\n\r\nhello",),
        (b"HTTP/1.1 20", b"0 OK\r\nDATE: now\r\ncontent-le", b"ngth: 5\r\n\r", b"\nhel", b"lo"),
        (
            b"HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"3\r\nhel\r\n",
            b"2\r\nlo\r\n",
            b"0\r\n\r\n",
        ),
        (
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nDate: now\r\n",
            b"Content-Length: 5\r\n\r\nhello",
        ),
    ],
    ids=["whole", "pieces", "chunked", "after-100"],
)
def test_an_answer_is_read_to_its_end(pieces: tuple[bytes, ...]) -> None:
    """However an answer is cut and framed, it is read whole, and the connection is kept."""
    with playing(*pieces, hangs_up=False) as connection:
        answer = connection.call(REQUEST)

        assert (answer.status, answer.body, answer.date) == (200, b"hello", "now")
        assert connection.is_open


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK", b"HTTP/1.1 200 OK\r\nConnection: close"])
def test_an_answer_without_a_length_ends_with_its_connection(head: bytes) -> None:
    """The connection's end is the end of an answer that has no length."""
    with playing(head + b"\r\n\r\n", b"hel", b"lo") as connection:
        answer = connection.call(REQUEST)

        assert (answer.status, answer.body) == (200, b"hello")
        assert not connection.is_open


@pytest.mark.parametrize(
    "pieces",
    [
        (b"SSH-2.0-OpenSSH\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",),
        (b"HTTP/1.1 200 OK\r\nContent-",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\n",),
    ],
    ids=["ssh", "cut", "cut-chunk", "cut-head", "no-number", "upgrade", "two-answers"],
)
def test_what_is_no_answer_is_broken(pieces: tuple[bytes, ...]) -> None:
    """Neither a part of an answer nor another protocol is taken for an answer."""
    with playing(*pieces) as connection, pytest.raises(BrokenAnswer):
        connection.call(REQUEST)


def test_a_peer_that_hangs_up_is_gone() -> None:
    """A connection that ends without an answer may have been dead before: a call can be tried."""
    with playing() as connection, pytest.raises(ConnectionError):
        connection.call(REQUEST)


@pytest.mark.parametrize("pieces", [(), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",)])
def test_silence_is_a_timeout(pieces: tuple[bytes, ...]) -> None:
    """A peer that sends nothing more is waited for as long as the address says."""
    began = time.monotonic()
    with (
        playing(*pieces, hangs_up=False, timeout=0.2) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.call(REQUEST)

    assert 0.2 <= time.monotonic() - began < 5


def test_a_request_that_is_not_taken_is_a_timeout() -> None:
    """A peer that reads nothing blocks the sender of a huge request for its time only."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address("127.0.0.1", listener.getsockname()[1], 0.2, secure=False)
        connection = Connection(address)
        with pytest.raises(TimeoutError):
            connection.call(request_of("POST", "/", "", bytes(64 * 1024 * 1024)))
        connection.close()


def test_a_huge_answer_is_read() -> None:
    """An answer may have any size."""
    body = b"x" * (20 * 1024 * 1024)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with playing(head + body) as connection:
        assert connection.call(REQUEST).body == body


@pytest.mark.parametrize("length", [5, 6], ids=["whole", "cut"])
def test_an_answer_is_kept_by_nobody(length: int) -> None:
    """What was received is freed with its answer, or its error, without a collection of garbage."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    gc.collect()
    gc.disable()
    try:
        with playing(head + b"hello") as connection, contextlib.suppress(BrokenAnswer):
            connection.call(REQUEST)
        assert not [kept for kept in gc.get_objects() if isinstance(kept, AnswerParser)]
    finally:
        gc.enable()


def test_a_request_is_written_as_http() -> None:
    """A request has its lines, and a length unless it is a GET without a body."""
    head = head_of({"Host": "h", "strict": "true"})

    assert request_of("GET", "/a?b=c", head, None) == (
        b"GET /a?b=c HTTP/1.1\r\nHost: h\r\nstrict: true\r\n\r\n"
    )
    assert request_of("POST", "/", head, None).endswith(b"Content-Length: 0\r\n\r\n")
    assert request_of("POST", "/", head, b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0"])
def test_a_header_cannot_become_two(value: str) -> None:
    """A value with the end of a line is refused."""
    with pytest.raises(ValueError, match="header"):
        head_of({"idempotency-key": value})


@pytest.mark.parametrize("path", ["", "/a b", "/a\r\nb", "/é"])
def test_a_path_is_one_word(path: str) -> None:
    """A path with blanks or ends of lines is refused."""
    with pytest.raises(ValueError, match="path"):
        request_of("GET", path, "", None)


def test_an_ipv6_address_is_named_in_brackets() -> None:
    """The header `Host` distinguishes an IPv6 address from its port."""
    assert Address("::1", 80, 1, secure=False).name == "[::1]:80"
    assert Address("localhost", 8001, 1, secure=False).name == "localhost:8001"


def test_https_is_not_spoken_to_a_peer_without_tls() -> None:
    """A secure address checks its peer: what answers without TLS is not asked anything."""
    with playing(b"HTTP/1.1 400 Bad Request\r\n\r\n") as plain:
        port = plain._address.port
        secure = Connection(Address("127.0.0.1", port, 5, secure=True))
        with pytest.raises(ssl.SSLError):
            secure.call(REQUEST)
        secure.close()

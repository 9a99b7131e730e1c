"""The port that several processes share, before any of them listens."""

from __future__ import annotations

import socket

import pytest

from gateway.concurrency.processes import PortTaken, shared_port

HOST = "127.0.0.1"


def listening(port: int, *options: int) -> socket.socket:
    """Return a socket that listens at a port."""
    made = socket.socket()
    try:
        for option in options:
            made.setsockopt(socket.SOL_SOCKET, option, 1)
        made.bind((HOST, port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


def test_a_port_is_held_before_anybody_listens() -> None:
    """Neither another gateway of several processes nor a single one takes a port that is held."""
    with shared_port(HOST, 0) as port:
        with pytest.raises(PortTaken), shared_port(HOST, port):
            pass
        with pytest.raises(OSError, match="in use"):
            listening(port, socket.SO_REUSEADDR)


def test_those_who_share_a_port_listen_at_it() -> None:
    """Our own processes listen, with the options that the event loop sets."""
    options = socket.SO_REUSEADDR, socket.SO_REUSEPORT
    with shared_port(HOST, 0) as port, listening(port, *options), listening(port, *options):
        pass


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEPORT,)], ids=["alone", "shared"])
def test_connections_that_have_just_ended_hold_no_port(options: tuple[int, ...]) -> None:
    """A gateway starts right after another one that has closed its connections."""
    with listening(0, socket.SO_REUSEADDR, *options) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((HOST, port)) as client:
            listener.accept()[0].close()  # the one who closes first waits a minute
            assert client.recv(1) == b""

    with shared_port(HOST, port) as shared:
        assert shared == port

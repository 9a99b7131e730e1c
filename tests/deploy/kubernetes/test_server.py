"""The server as the manifests start it: the program itself is asked."""

from __future__ import annotations

import re
import socket
import struct
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.manifests import OVERLAYS, container, overlay
from tests.support.processes import ROOT
from tools import server

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "AIO_SUBSYSTEMS_STORE_POSTGRES_CONFIG_"


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_server_has_the_flags(name: str) -> None:
    """Each flag is one of the server's, and its file is the one that is mounted."""
    done = subprocess.run(
        [server.locate(), "serve", "--help"], capture_output=True, text=True, check=True
    )
    flags = [each for each in container(overlay(name), "resonate")["args"] if each[0] == "-"]

    assert {flag.partition("=")[0] for flag in flags} <= set(re.findall(r"--[\w-]+", done.stdout))
    assert flags[0] == "--config=/etc/resonate/resonate.yaml"


def test_the_store_is_that_of_the_containers() -> None:
    """The path of the SQLite file, with its options, is the one of compose.yaml."""
    flags = container(overlay("sqlite"), "resonate")["args"]

    assert flags[-1] in (ROOT / "compose.yaml").read_text()


def exchange(listener: socket.socket) -> tuple[dict[str, str], str]:
    """Be a PostgreSQL that asks for a password; return what it was told at the start, and that."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        connection.settimeout(20)
        (length,) = struct.unpack("!i", stream.read(4))
        words = stream.read(length - 4)[4:].decode().split("\0")
        connection.sendall(b"R" + struct.pack("!ii", 8, 3))
        assert stream.read(1) == b"p"
        (length,) = struct.unpack("!i", stream.read(4))
        password = stream.read(length - 4).rstrip(b"\0").decode()
    return dict(zip(words[::2], words[1::2], strict=False)), password


def test_the_database_is_told_by_variables(tmp_path: Path) -> None:
    """The server connects to the database that the variables of its container name."""
    spec = container(overlay("postgres"), "resonate")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        values = {
            "host": "127.0.0.1",
            "port": str(listener.getsockname()[1]),
            "dbname": "orders",
            "username": "ann",
            "password": "a b:c@/",
        }
        environment = {
            each["name"]: values[each["valueFrom"]["secretKeyRef"]["key"]]
            for each in spec["env"]
            if each["name"].startswith(PREFIX)
        }
        plain = [f for f in spec["args"] if f.startswith("--aio") and "sslmode" not in f]
        flags = [f"--config={server.CONFIG}", *plain, "--aio-store-postgres-query=sslmode=disable"]
        addresses = [f"--{kind}-addr=127.0.0.1:0" for kind in ("api-http", "aio-poll", "metrics")]
        process = subprocess.Popen(
            [server.locate(), "serve", *flags, *addresses],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            told, password = exchange(listener)
        finally:
            process.kill()
            process.wait()

    assert (told["user"], told["database"], password) == ("ann", "orders", "a b:c@/")

"""The server's program: where it is found, and its configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import call
from tests.support.server import resonate_server
from tools import server

if TYPE_CHECKING:
    from pathlib import Path


def program(directory: Path, version: str) -> Path:
    """Make a program named resonate that prints a version."""
    directory.mkdir(exist_ok=True)
    made = directory / "resonate"
    made.write_text(f"#!/bin/sh\necho '{version}'\n")
    made.chmod(0o755)
    return made


def test_the_configured_server_comes_first(tmp_path: Path) -> None:
    """RESONATE_SERVER_BIN comes before a server on PATH."""
    named = program(tmp_path / "named", "resonate version 0.8.2")
    on_path = program(tmp_path / "path", "resonate version 0.8.3")

    found = server.locate({"RESONATE_SERVER_BIN": str(named), "PATH": str(on_path.parent)})

    assert found == named


@pytest.mark.parametrize("version", ["resonate version 0.9.4", "hello"])
def test_the_configured_server_must_be_right(tmp_path: Path, version: str) -> None:
    """A wrong RESONATE_SERVER_BIN is an error; no other server replaces it."""
    named = program(tmp_path, version)

    with pytest.raises(server.ServerError, match=r"RESONATE_SERVER_BIN=.* 0\.8\.x is needed"):
        server.locate({"RESONATE_SERVER_BIN": str(named), "PATH": ""})


def test_a_server_on_path_is_used(tmp_path: Path) -> None:
    """Any server 0.8.x on PATH is used."""
    on_path = program(tmp_path, "resonate version 0.8.9")

    assert server.locate({"PATH": str(tmp_path)}) == on_path


def test_a_newer_server_is_ignored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server 0.9 on PATH is reported in one line, and the built server is used."""
    server.locate()
    on_path = program(tmp_path, "resonate 0.9.1")

    found = server.locate({"PATH": str(tmp_path)})

    assert found == server.BUILT
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"ignoring {on_path}: it is 0.9.1, and the SDK needs 0.8.x"
    )


def test_the_configuration_is_used(tmp_path: Path) -> None:
    """The server uses the configuration: gRPC is off, and its log has no error."""
    with resonate_server(tmp_path) as running:
        assert running.answers()
        tagged = {"id": "t", "timeout": 2**53, "tags": {"resonate:invoke": "poll://any@nobody"}}
        assert call(f"http://127.0.0.1:{running.store_port}/promises", "POST", tagged).status == 201
        listening = running.listening_ports()
        log = (tmp_path / "server.log").read_text()

    assert listening >= {running.store_port, running.message_port}
    assert 50051 not in listening
    assert "ERROR" not in log


def test_containers_run_the_server_as_processes_do() -> None:
    """What the server is given beside its configuration is the same in compose.yaml."""
    compose = (server.ROOT / "compose.yaml").read_text()

    (given,) = re.findall(r"environment: \{(GO.*)\}", compose)
    pairs = (pair.split(": ") for pair in given.split(", "))
    assert {name: value.strip('"') for name, value in pairs} == server.ENVIRONMENT

"""The catalog of a gateway's process: its settings, its start, and SIGHUP."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from shared.catalog import Catalog, Function
from tests.support.catalog import write_manifest
from tests.support.processes import Process, call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def catalog(name: str) -> Catalog:
    """Return a catalog of one function."""
    return Catalog.of(Function(name, 1, "Does something."))


def gateway(directory: Path, **environment: str) -> Process:
    """Return a gateway that has no server, and reads `catalog.json` in the directory."""
    own = {
        "GATEWAY_PORT": "0",
        "RESONATE_HOST": "http://127.0.0.1",
        "LOG_FORMAT": "json",
        "GATEWAY_CATALOG": str(directory / "catalog.json"),
    }
    return Process("gateway", {**own, **environment}, directory / "log")


def refused(process: Process) -> list[str]:
    """Return the lines of a gateway that does not start; its exit code is 2."""
    process.start()
    assert process.child is not None
    assert process.child.wait(30) == 2
    return process.log.read_text().splitlines()


@pytest.fixture(name="running")
def _running(tmp_path: Path) -> Iterator[Process]:
    """Yield a running gateway with the function `one`."""
    write_manifest(tmp_path / "catalog.json", catalog("one"))
    process = gateway(tmp_path)
    process.start()
    try:
        yield process
    finally:
        process.end()


def functions(process: Process) -> list[str]:
    """Return the functions that a gateway's document names."""
    url = f"http://127.0.0.1:{process.started('gateway started')['port']}/openapi.json"
    found: list[str] = call(url).body["components"]["schemas"]["function"]["enum"]
    return found


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    """Without its file a gateway ends, with one line that names the setting."""
    path = tmp_path / "catalog.json"

    assert refused(gateway(tmp_path)) == [
        f"gateway: GATEWAY_CATALOG: {path}: No such file or directory"
    ]


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    """A bad catalog has its line among those of the other settings."""
    (tmp_path / "catalog.json").write_text('{"format":1,"functions":[]}')

    found = refused(gateway(tmp_path, GATEWAY_PORT="x", LOG_LEVEL="loud"))

    assert [line.split()[1].rstrip(":") for line in found] == [
        "GATEWAY_PORT",
        "LOG_LEVEL",
        "GATEWAY_CATALOG",
    ]


def test_a_default_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """The setting of the default is checked against the catalog at the start."""
    write_manifest(tmp_path / "catalog.json", catalog("one"))

    assert refused(gateway(tmp_path, GATEWAY_DEFAULT_FUNCTION="two")) == [
        "gateway: GATEWAY_DEFAULT_FUNCTION: the default function two is not in the catalog"
    ]


def test_a_new_file_is_served_without_a_restart(running: Process, tmp_path: Path) -> None:
    """A file that takes the other's place is served a little later, by the same process."""
    assert functions(running) == ["one"]

    write_manifest(tmp_path / "catalog.json", catalog("other"))

    wait_until(lambda: functions(running) == ["other"], what="the new catalog")
    assert running.stop() == 0


def test_sighup_reads_the_file_again(running: Process, tmp_path: Path) -> None:
    """A file of which only the content is new is read when the signal says so."""
    path = tmp_path / "catalog.json"
    long_ago = (1_700_000_000, 1_700_000_000)
    os.utime(path, long_ago)
    functions(running)
    running.signal(signal.SIGHUP)
    running.started("catalog unchanged")

    path.write_bytes(path.read_bytes().replace(b'"one"', b'"two"'))
    os.utime(path, long_ago)
    running.signal(signal.SIGHUP)

    wait_until(lambda: functions(running) == ["two"], what="the new catalog")
    assert running.events("catalog changed", added=["two"], removed=["one"])

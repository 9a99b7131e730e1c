"""Copies of an execution in a server's tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from bench.loads.loops import closed_loop
from bench.parts.begins import promise_request
from bench.parts.part import repeated
from bench.stacks.fill import copy_execution
from bench.stacks.server import BenchServer
from bench.stacks.stores import postgres, postgres_programs
from tests.support.processes import call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COPIED = "bench-copied"


@pytest.fixture(name="filled", params=["sqlite", "postgres"])
def _filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BenchServer]:
    """Yield a server with an execution and 300 copies of it."""
    if request.param == "postgres" and postgres_programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with contextlib.ExitStack() as exits:
        store = exits.enter_context(postgres()) if request.param == "postgres" else None
        server = BenchServer(tmp_path, store=store)
        server.start()
        exits.callback(server.kill)
        address = ("127.0.0.1", server.store_port)
        sent = closed_loop([address], repeated(promise_request(COPIED)), clients=1, count=1)
        assert sent.good == 1
        copy_execution(server.sql, COPIED, range(300))
        yield server


def test_a_copy_differs_from_its_execution_by_its_id_alone(filled: BenchServer) -> None:
    """The server reads the copy as it reads the execution itself."""
    url = f"http://127.0.0.1:{filled.store_port}/promises"
    original, copy = (call(f"{url}/{id}").body for id in (COPIED, f"{COPIED}-299"))

    assert copy["id"] == copy["tags"]["resonate:root"] == f"{COPIED}-299"
    for body in (original, copy):
        del body["id"], body["tags"]["resonate:root"], body["tags"]["resonate:parent"]
        del body["idempotencyKeyForCreate"]
    assert copy == original


def test_a_copy_has_its_own_task(filled: BenchServer) -> None:
    """Each is offered to workers on its own."""
    rows = filled.sql.rows("SELECT count(DISTINCT root_promise_id), count(DISTINCT id) FROM tasks")

    assert rows == [["301", "301"]]

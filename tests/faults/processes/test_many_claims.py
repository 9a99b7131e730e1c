"""A worker that holds a thousand claims dies."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from shared.resonate import tags as tag
from tests.support.faults.load import begins
from tests.support.faults.presence.seen import noticed
from tests.support.processes import Process, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.server import Server
    from tests.support.stack import Stack

CLAIMS = 1000
CLAIMED: Final = "SELECT count(*) FROM tasks WHERE state = 4"
FREE_SECONDS = 3.0
"""Seconds in which all claims are free again, beside other load of a small machine."""

RATE = 30
"""Begins a second meanwhile."""


def claimed(server: Server) -> int:
    """Return how many claims the server keeps."""
    with closing(sqlite3.connect(server.database, timeout=10)) as store:
        count: int = store.execute(CLAIMED).fetchone()[0]
        return count


def create(stack: Stack, id: str) -> None:
    """Store an execution of a group without workers."""
    with stack.store() as store:
        later = int((time.time() + 600) * 1000)
        tags = {"resonate:invoke": "poll://any@nobody", tag.FUNCTION: "foo"}
        store.promises.create(id, later, ikey=id, data="null", tags=tags)


@pytest.fixture(name="holder")
def _holder(bare_stack: Stack, job: str, tmp_path: Path, gateways: int) -> Iterator[Process]:
    """Yield a process that holds the claims of a thousand executions, for a minute each."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: create(bare_stack, f"{job}-{number}"), range(CLAIMS)))
    for number in range(1, gateways):
        bare_stack.add_gateway(f"gateway-{number}")
    seen_by = [each.environment for each in bare_stack.gateways.values()]
    ports = [each["GATEWAY_PRESENCE_PORT"] for each in seen_by]
    environment = {
        **seen_by[0],
        "WORKER_GATEWAYS": ",".join(f"127.0.0.1:{port}" for port in ports),
        "HOLDER_PREFIX": job,
        "HOLDER_COUNT": str(CLAIMS),
    }
    holder = Process("tests.support.faults.presence.holder", environment, tmp_path / "holder.log")
    holder.start()
    holder.started("holds all")
    yield holder
    holder.end()


@pytest.mark.alone
@pytest.mark.parametrize("presence", [True])
@pytest.mark.parametrize("gateways", [1, 2])
def test_all_are_free_at_once(bare_stack: Stack, job: str, holder: Process, gateways: int) -> None:
    """All claims are dropped long before a lease, and begins are answered meanwhile."""
    server = bare_stack.server
    assert claimed(server) == CLAIMS
    with begins(bare_stack, f"{job}-beside", RATE) as ids:
        wait_until(lambda: ids, what="a begin")
        before, killed_at = len(ids), time.monotonic()

        holder.kill()

        wait_until(lambda: claimed(server) == 0, seconds=20, what="the end of all claims")
        seconds = time.monotonic() - killed_at
        wait_until(lambda: len(ids) > before, seconds=1, what="a begin")
    wait_until(lambda: len(noticed(bare_stack, "worker died")) == gateways, what="the notices")
    found = noticed(bare_stack, "worker died")
    assert [death["claims"] for death in found] == [CLAIMS] * gateways
    assert max(death["released"] for death in found) == CLAIMS
    assert seconds < FREE_SECONDS
    assert (len(ids) - before) / seconds > RATE / 3

"""Gateways of another cell that accept connections and say nothing: what clients get, and when."""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from gateway.cells.gateways import CHECK_SECONDS
from gateway.cells.hash_slots import number_of
from tests.support.cells import Cells, running_cells
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Answer

SECONDS: Final = 5.0
"""Seconds within which an answer that does not wait comes, by the contract."""


class Silent:
    """Accepts connections, notes the first line of each request, and never answers.

    If it `is_full` it refuses checks, as a gateway that has as many connections as it may.
    """

    def __init__(self) -> None:
        self.is_full = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._accepted: list[socket.socket] = []
        self.lines: list[str] = []
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for each in (self._listening, *self._accepted):
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._accepted.append(connection)
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(65536):
                line = data.partition(b"\r\n")[0].decode(errors="replace")
                if line.endswith("HTTP/1.1"):
                    self.lines.append(line.partition("?")[0].removesuffix(" HTTP/1.1"))
                if self.is_full and line.startswith("GET /healthz"):
                    connection.sendall(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    with running_cells(tmp_path_factory.mktemp("cells")) as cells:
        yield cells


@pytest.fixture(name="silent")
def _silent(cells: Cells) -> Iterator[list[Silent]]:
    """Let the map name three silent gateways as those of b, and yield them."""
    silent = [Silent() for _ in range(3)]
    real, cells.urls["b"] = cells.urls["b"], silent[0].url
    cells.more["b"] = [each.url for each in silent[1:]]
    followed_by_a(cells)
    yield silent
    cells.urls["b"] = real
    del cells.more["b"]
    followed_by_a(cells)
    for each in silent:
        each.close()


@pytest.fixture(name="frozen")
def _frozen(cells: Cells) -> Iterator[None]:
    """Freeze the gateway of b that the map names first."""
    gateway = cells.stacks["b"].gateways["gateway"]
    gateway.signal(signal.SIGSTOP)
    yield
    gateway.signal(signal.SIGCONT)
    wait_until(lambda: cells.call("a", f"/wait?id={of_b(cells)}").status == 404, what="cell b")


@pytest.fixture(name="second")
def _second(cells: Cells) -> Iterator[str]:
    """Let the map name a second gateway of b."""
    settings: dict[str, Any] = {"GATEWAY_CELLS": str(cells.path), "GATEWAY_CELL": "b"}
    url = cells.stacks["b"].add_gateway("second", **settings)
    cells.more["b"] = [url]
    followed_by_a(cells)
    yield url
    del cells.more["b"]
    followed_by_a(cells)


def followed_by_a(cells: Cells) -> None:
    """Put the next map in place, and wait until a's gateway works by it."""
    cells.put()
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map")


def of_b(cells: Cells) -> str:
    """Return an id of cell b that no test has used."""
    ids = (f"job-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    return next(id for id in ids if cells.slots[number_of(id)]["cell"] == "b")


def timed(cells: Cells, *request: Any) -> tuple[Answer, float]:
    """Return the answer of a's gateway and the seconds that it took."""
    began = time.monotonic()
    answer = cells.call("a", *request)
    return answer, time.monotonic() - began


def noted(silent: list[Silent], line: str) -> int:
    """Return how often gateways got a request that begins so."""
    return sum(each.lines.count(line) for each in silent)


def asked_of_b(cells: Cells) -> list[tuple[Answer, float]]:
    """Ask a's gateway about ids of b, side by side, in ways that do not wait."""
    id, prefers = of_b(cells), {"Prefer": "respond-async"}
    requests: list[tuple[Any, ...]] = [
        (f"/wait?id={id}",),
        (f"/result?id={id}", "GET", None, prefers),
        (f"/events?id={id}",),
        (f"/begin?id={id}&function=foo", "POST", {}),
        (f"/begin?id={id}&function=foo", "POST", {}, prefers),
        (f"/signal?id={id}&name=go", "POST", 1),
        (f"/cancel?id={id}", "POST"),
    ]
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda request: timed(cells, *request), requests))


@pytest.mark.usefixtures("frozen")
def test_an_answer_comes_in_time_where_the_only_gateway_is_frozen(cells: Cells) -> None:
    """A 503 within five seconds, or five after the wait."""
    answers = asked_of_b(cells)
    waited, seconds = timed(cells, f"/wait?id={of_b(cells)}&wait=1s")

    assert {answer.status for answer, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < SECONDS
    assert waited.status == 503
    assert seconds < 1 + SECONDS


@pytest.mark.usefixtures("second", "frozen")
def test_another_gateway_of_the_cell_answers_instead_of_a_frozen_one(cells: Cells) -> None:
    """Begins too, which may be carried out twice in one cell, and long polls before they end."""
    ids = [of_b(cells) for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        begun = list(pool.map(lambda id: cells.begin("a", id), ids))
    waited, seconds = timed(cells, f"/wait?id={ids[0]}&wait=25s")
    canceled = [cells.call("a", f"/cancel?id={id}", "POST").status for id in ids[:2]]

    assert [(answer.status, answer.body["created"]) for answer in begun] == [(202, True)] * 6
    assert (waited.status, waited.body["status"]) == (200, "resolved")
    assert seconds < SECONDS
    assert canceled == [409, 409]


def test_several_frozen_gateways_are_asked_by_checks_only(
    cells: Cells, silent: list[Silent]
) -> None:
    """The five seconds are for all of them together; then there is one check at a time."""
    ids, began = [of_b(cells) for _ in range(20)], time.monotonic()
    first = asked_of_b(cells)
    begins = noted(silent, "POST /begin")

    with ThreadPoolExecutor(20) as pool:
        later = list(pool.map(lambda id: timed(cells, f"/wait?id={id}"), ids))

    assert {answer.status for answer, _ in (*first, *later)} == {503}
    assert max(seconds for _, seconds in (*first, *later)) < SECONDS
    assert noted(silent, "POST /begin") == begins
    assert noted(silent, "GET /wait") <= 2 + 1 + 20  # the third one was not found out before
    checks = (time.monotonic() - began) / CHECK_SECONDS
    assert noted(silent, "GET /healthz") <= len(silent) * (checks + 1)


def test_a_gateway_that_refuses_checks_is_not_frozen(cells: Cells, silent: list[Silent]) -> None:
    """It has no room for another connection, and clients wait at those that it has."""
    for each in silent:
        each.is_full = True

    answer = cells.call("a", f"/wait?id={of_b(cells)}&wait=1s")

    assert answer.status == 503
    assert noted(silent, "GET /wait") == 1
    assert noted(silent, "GET /healthz") > 1

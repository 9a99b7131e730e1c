"""Values of any size: what is too large is refused, once, and takes no other's memory."""

from __future__ import annotations

import contextlib
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import call, wait_until
from tests.support.stack import running_stack
from tests.support.usage import peak_mib, resident_mib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

MIB = 1024 * 1024
LIMIT = 6 * MIB
"""Bytes of the largest result here: more than sockets' buffers take from a gateway."""

TAKES_NOTHING = 4096
"""Bytes that a client's socket takes at most before it reads."""


@pytest.fixture(name="sized", scope="module")
def _sized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service whose one worker has functions of all sizes."""
    with running_stack(tmp_path_factory.mktemp("sized"), workers=0) as stack:
        stack.add_worker("odd", "tests.support.worker.odd", MAX_RESULT_BYTES=str(LIMIT))
        yield stack


@pytest.mark.parametrize(
    ("function", "started"), [("bulky", 1), ("bulky_body", 1), ("bulky_parent", 0)]
)
def test_forty_mebibytes_never_reach_the_server(
    sized: Stack, job: str, function: str, started: int
) -> None:
    """A result or a child's input of 40 MiB ends its execution after one run, with its size."""
    sized.create(job, function, 40 * 1024)

    error = sized.outcome(job)["error"]

    assert error["type"] == "ResultTooLarge"
    assert f"has at least {40 * MIB + 2}" in error["message"] or function == "bulky_parent"
    assert error["message"].endswith("bytes of JSON; MAX_RESULT_BYTES allows 6291456")
    assert len(sized.starts(job)) == started
    assert peak_mib(sized.server.pid) < 250


@pytest.mark.parametrize("function", ["bulky", "bulky_body", "bulky_parent"])
def test_a_worker_forgets_what_has_ended(bare_stack: Stack, job: str, function: str) -> None:
    """Twelve executions with 40 MiB, one after the other, take the memory of one or two."""
    worker = bare_stack.add_worker("odd", "tests.support.worker.odd")
    before = resident_mib(worker.pid)

    for number in range(12):
        bare_stack.create(f"{job}-{number}", function, 40 * 1024)
        bare_stack.outcome(f"{job}-{number}")

    assert peak_mib(worker.pid) - before < 150


def test_a_worker_forgets_what_it_has_stored(bare_stack: Stack, job: str) -> None:
    """Results of 200 MiB in all, of executions one after the other, take the memory of some."""
    worker = bare_stack.add_worker("odd", "tests.support.worker.odd")
    before = resident_mib(worker.pid)

    for number in range(200):
        bare_stack.create(f"{job}-{number}", "bulky_body", 1000)
        assert bare_stack.outcome(f"{job}-{number}")["status"] == "resolved"

    assert peak_mib(worker.pid) - before < 150


def test_a_worker_forgets_inputs(bare_stack: Stack, job: str) -> None:
    """What inputs of many small parts take as Python objects is given back, too."""
    worker = bare_stack.add_worker("odd", "tests.support.worker.odd")
    before = resident_mib(worker.pid)
    parts: list[list[Any]] = [[[]] * 5 for _ in range(40_000)]

    for number in range(20):
        bare_stack.begin(f"{job}-{number}", "foo", parts)
        bare_stack.outcome(f"{job}-{number}")

    assert peak_mib(worker.pid) - before < 350


def test_a_result_of_the_limit_is_stored(sized: Stack, job: str) -> None:
    """A result that is just as large as it may be arrives."""
    sized.create(job, "bulky", 6 * 1024 - 1)

    assert len(sized.outcome(job)["result"]) == LIMIT - 1024


def test_infinity_in_a_result_is_refused_with_its_place(sized: Stack, job: str) -> None:
    """A result with an infinity ends its execution, and the client reads where that was."""
    sized.create(job, "returns_not_finite")

    error = sized.outcome(job)["error"]

    assert (error["type"], error["attempts"]) == ("NotJson", 1)
    assert error["message"] == "the result cannot be stored: -inf at $.rows[1].ratio is not JSON"


def test_the_name_of_an_error_is_cut(sized: Stack, job: str) -> None:
    """A class whose name has 10 MB is stored with the beginning of its name."""
    sized.create(job, "long_names")

    error = sized.outcome(job)["error"]

    assert error["type"] == "E" * 253 + "…"


@pytest.fixture(name="tight", scope="module")
def _tight(sized: Stack) -> str:
    """Return the URL of one more gateway, with small budgets."""
    return sized.add_gateway(
        "tight", GATEWAY_BODY_BUDGET=str(4 * MIB), GATEWAY_ANSWER_BUDGET=str(11 * MIB)
    )


@contextlib.contextmanager
def connections(url: str, count: int) -> Iterator[list[socket.socket]]:
    """Open connections that take next to nothing; close them at the end of the block."""
    host, port = url.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TAKES_NOTHING)
            client.settimeout(10)
            client.connect((host, int(port)))
            opened.append(client)
        yield opened


def answered(clients: list[socket.socket], count: int) -> list[socket.socket]:
    """Return those of the clients that have an answer, once they are this many."""
    found, _, _ = select.select(clients, [], [], 0)
    return found if len(found) >= count else []


@pytest.mark.parametrize("path", ["/begin", "/signal", "/cancel"])
def test_bodies_that_never_end_take_no_more_than_their_budget(
    sized: Stack, tight: str, job: str, path: str
) -> None:
    """60 bodies of 1 MiB that lack their last bytes; a small begin beside them is answered."""
    gateway = sized.gateways["tight"]
    before = resident_mib(gateway.pid)
    head = f"POST {path}?id={job}{'&name=a' if path == '/signal' else ''} HTTP/1.1\r\n"
    head += f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {MIB}\r\n\r\n"

    with connections(tight, 60) as clients:
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(head.encode() + b" " * (MIB - 10))
        refused = wait_until(lambda: answered(clients, 50), what="most refusals")
        assert {client.recv(12) for client in refused} == {b"HTTP/1.1 503"}
        assert resident_mib(gateway.pid) - before < 30
        assert call(f"{tight}/begin?id={job}-small", "POST", {}).status == 202

    # All is given back once they have gone.
    large = {"pad": "x" * (900 * 1024)}
    wait_until(lambda: call(f"{tight}/begin?id={job}-large", "POST", large).status == 202)


@pytest.mark.parametrize("path", ["/wait", "/result", "/events"])
def test_a_crowd_that_takes_nothing_shares_one_copy(
    sized: Stack, tight: str, job: str, path: str
) -> None:
    """60 clients that do not read a result of 5 MiB take little more than one of them."""
    sized.create(job, "bulky", 5 * 1024)
    sized.outcome(job)
    gateway = sized.gateways["tight"]
    assert call(f"{tight}/result?id={job}").status == 200
    before = resident_mib(gateway.pid)

    with connections(tight, 60) as clients:
        for client in clients:
            client.sendall(f"GET {path}?id={job} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for client in clients:
            assert client.recv(15).startswith(b"HTTP/1.1 200 OK")
        assert resident_mib(gateway.pid) - before < 30
        assert call(f"{tight}/wait?id={job}-none").status == 404


def test_large_answers_beyond_the_budget_are_refused_for_a_while(
    sized: Stack, tight: str, job: str
) -> None:
    """With results of others not taken, a large one is a 503 until those make room for it."""
    for number in range(3):
        sized.create(f"{job}-{number}", "bulky", 5 * 1024 + number)
        sized.outcome(f"{job}-{number}")

    with connections(tight, 2) as clients:
        for number, client in enumerate(clients):
            client.sendall(
                f"GET /result?id={job}-{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            assert client.recv(15).startswith(b"HTTP/1.1 200 OK")
        refused = call(f"{tight}/result?id={job}-2")
        assert (refused.status, refused.headers.get("Retry-After")) == (503, "1")
        assert refused.body["type"] == "/problems/overloaded"
        assert call(f"{tight}/wait?id={job}-none").status == 404
        # A client that has taken nothing for 5 s is cut off then.
        wait_until(lambda: call(f"{tight}/result?id={job}-2").status == 200, seconds=9)


def test_many_large_results_asked_for_at_once_take_little_more_than_the_budget(
    sized: Stack, tight: str, job: str
) -> None:
    """Of 16 results of 5 MiB those without room are refused before they are read."""
    ids = [f"{job}-{number}" for number in range(16)]
    for number, id in enumerate(ids):
        sized.create(id, "bulky", 5 * 1024 - number)
    with sized.store() as store:
        wait_until(
            lambda: not any(store.promises.get(id).pending for id in ids), seconds=60, what="ends"
        )
    gateway = sized.gateways["tight"].pid
    before = resident_mib(gateway)
    Path(f"/proc/{gateway}/clear_refs").write_text("5")  # the peak is measured from now on

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda id: call(f"{tight}/result?id={id}").status, ids))

    assert set(statuses) == {200, 503}
    assert peak_mib(gateway) - before < 90

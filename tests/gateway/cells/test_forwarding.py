"""What passes through one cell's gateway to another's, both ways, and what if it cannot."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import select
import signal
import socket
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

from gateway.cells.hash_slots import number_of
from tests.support.cells import Cells, running_cells
from tests.support.processes import call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITERS: Final = "durable_http_gateway_waiters{"


@pytest.fixture(name="cells", scope="module")
def _cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    with running_cells(tmp_path_factory.mktemp("cells")) as cells:
        yield cells


def of_b(cells: Cells) -> str:
    """Return an id of cell b that no test has used."""
    ids = (f"job-{uuid.uuid4().hex[:12]}" for _ in itertools.count())
    return next(id for id in ids if cells.slots[number_of(id)]["cell"] == "b")


def approval(cells: Cells) -> str:
    """Begin an execution of cell b that waits for a signal."""
    id = of_b(cells)
    begun = cells.call("a", f"/begin?id={id}&function=approval", "POST", {"question": "?"})
    assert begun.status == 202
    return id


def raw(url: str, *lines: str, body: bytes = b"", encoding: str = "latin-1") -> tuple[int, bytes]:
    """Send a request's lines and headers as they stand; return the status and what follows it."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), 10) as connection:
        head = "\r\n".join((*lines, "Host: localhost", "Connection: close", "", ""))
        connection.sendall(head.encode(encoding) + body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split(b" ")[1]), answer


@contextlib.contextmanager
def opened(
    url: str, path: str, headers: dict[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """Yield an answer whose body is not read yet, and disconnect when the block ends."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        with connection.getresponse() as answer:
            yield answer


def waiters(cells: Cells, cell: str) -> float:
    """Return how many clients wait at a cell's gateway."""
    with opened(cells.urls[cell], "/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(WAITERS))


def test_large_bodies_pass_both_ways(cells: Cells) -> None:
    """An input of nearly 1 MiB, and the result with it."""
    id, text = of_b(cells), "x" * 1_000_000

    begun = cells.call(
        "a", f"/begin?id={id}&function=foo", "POST", {"text": text}, {"Prefer": "wait=20"}
    )
    result = cells.call("a", f"/result?id={id}")
    too_large = cells.call("a", f"/begin?id={of_b(cells)}", "POST", {"text": text * 2})

    assert begun.status == 200
    assert text in result.body["result"]
    assert (too_large.status, too_large.body["type"]) == (413, "/problems/payload-too-large")


def test_a_client_may_wait_until_its_body_is_wanted(cells: Cells) -> None:
    """`Expect: 100-continue` is dealt with where the client is."""
    status, answer = raw(
        cells.urls["a"],
        f"POST /begin?id={of_b(cells)}&function=foo HTTP/1.1",
        *("Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue"),
        body=b"{}",
    )

    assert status == 100
    assert b"HTTP/1.1 202" in answer


def test_the_target_may_name_a_host(cells: Cells) -> None:
    """As to a proxy; only path and query count, so no client chooses where a request goes."""
    status, answer = raw(cells.urls["a"], f"GET http://x:1/wait?id={of_b(cells)} HTTP/1.1")

    assert status == 404
    assert b"/problems/unknown-id" in answer


def test_headers_pass_as_they_are(cells: Cells) -> None:
    """One that is given twice is refused as ever, and bytes that are no text harm nothing."""
    id = of_b(cells)
    begin = f"POST /begin?id={id}&function=foo HTTP/1.1"

    twice = raw(cells.urls["a"], begin, "Idempotency-Key: x", f"Idempotency-Key: {id}")
    odd = raw(cells.urls["a"], begin, "X-Odd: \xff", "Connection: x-odd", "X-Request-Id: mine")

    assert twice[0] == 400
    assert odd[0] == 202
    assert odd[1].lower().count(b"x-request-id: mine") == 1


def test_events_pass_as_they_come(cells: Cells) -> None:
    """From the start, from an event on, and not at all after the last one."""
    id = approval(cells)
    path = f"/events?id={id}"
    with opened(cells.urls["a"], path) as stream:
        seen = [stream.readline() for _ in range(5)]
        cells.call("a", f"/signal?id={id}&name=approval", "POST", value := {"yes": True})
        seen += stream.readlines()
    ids = [line[4:].strip().decode() for line in seen if line.startswith(b"id: ")]
    with opened(cells.urls["a"], path, {"Last-Event-ID": ids[-2]}) as stream:
        rest = stream.readlines()
    with opened(cells.urls["a"], path, {"Last-Event-ID": ids[-1]}) as stream:
        after = (stream.status, stream.read())
    head = cells.call("a", path, "HEAD")

    done = json.loads(next(line for line in reversed(seen) if line.startswith(b"data: "))[6:])
    assert done["result"] == {"answered": True, "answer": value}
    assert [line for line in rest if line.startswith(b"id: ")] == [f"id: {ids[-1]}\n".encode()]
    assert after == (204, b"")
    assert (head.status, head.headers["Content-Type"]) == (200, "text/event-stream")


@pytest.mark.parametrize("path", ["/wait?wait=25s&id=", "/events?id="])
def test_a_client_that_leaves_is_waited_for_nowhere(cells: Cells, path: str) -> None:
    """Neither cell keeps its place."""
    id = approval(cells)
    parts = urlsplit(cells.urls["a"])
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.sendall(f"GET {path}{id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        wait_until(lambda: waiters(cells, "b") == 1, what="a client that waits")
    wait_until(lambda: waiters(cells, "b") == 0, seconds=5, what="its end at the other cell")


@pytest.mark.parametrize("path", ["/wait?wait=25s&id=", "/events?id="])
def test_clients_that_leave_as_their_answers_begin_keep_no_place(cells: Cells, path: str) -> None:
    """A client may leave at the very moment at which the other cell's answer arrives."""
    id = approval(cells)
    parts = urlsplit(cells.urls["a"])
    for turn in range(150):
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(f"GET {path}{id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            select.select([connection], [], [], turn % 50 * 0.0002)
    wait_until(lambda: waiters(cells, "b") == 0, seconds=5, what="their end at the other cell")


def test_a_peer_that_dies_in_the_middle_is_seen(cells: Cells) -> None:
    """A stream is broken off rather than ended; what comes then is a 503 that names the cell."""
    id = approval(cells)
    gateway = cells.stacks["b"].gateways["gateway"]
    with opened(cells.urls["a"], f"/events?id={id}") as stream:
        stream.readline()
        gateway.kill()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            stream.read()
    answers = [
        cells.call("a", f"/wait?id={id}"),
        cells.begin("a", of_b(cells)),
        cells.call("a", f"/cancel?id={id}", "POST"),
    ]
    gateway.start()
    gateway.started("gateway started")

    assert [each.status for each in answers] == [503] * 3
    assert all("b" in each.body["detail"].split() for each in answers)
    assert all("Retry-After" in each.headers for each in answers)
    wait_until(lambda: cells.call("a", f"/wait?id={id}").status == 200, what="the cell")


def test_a_frozen_peer_is_a_503_in_time(cells: Cells) -> None:
    """A poll that waits for nothing is not held for as long as a long poll may take."""
    id = approval(cells)
    gateway = cells.stacks["b"].gateways["gateway"]
    gateway.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        polled = cells.call("a", f"/wait?id={id}")
    finally:
        gateway.signal(signal.SIGCONT)

    assert polled.status == 503
    assert time.monotonic() - began < 15


def test_another_gateway_of_the_cell_is_asked(cells: Cells) -> None:
    """Where one cannot be connected to, a begin goes to the next; nobody notices."""
    settings: dict[str, Any] = {"GATEWAY_CELLS": str(cells.path), "GATEWAY_CELL": "b"}
    second = cells.stacks["b"].add_gateway("second", **settings)
    content = json.loads(cells.path.read_bytes())
    cells.generation += 1
    content["generation"] = cells.generation
    content["cells"]["b"]["gateways"] = ["http://127.0.0.1:9", second]
    cells.path.write_text(json.dumps(content))
    wait_until(lambda: cells.in_force("a") == cells.generation, what="the map")

    begun = [cells.begin("a", of_b(cells)).status for _ in range(6)]

    assert begun == [202] * 6


def test_a_token_is_checked_by_both(cells: Cells) -> None:
    """A gateway with tokens passes nothing on without one, and adds none of its own."""
    settings: dict[str, Any] = {"GATEWAY_CELLS": str(cells.path), "GATEWAY_CELL": "a"}
    url = cells.stacks["a"].add_gateway(
        "secured", GATEWAY_TOKENS="a-token-of-this-test", ready=False, **settings
    )
    path = f"{url}/begin?id={of_b(cells)}&function=foo"

    without = call(path, "POST", {})
    wrong = call(path, "POST", {}, headers={"Authorization": "Bearer another-token-here"})
    right = call(path, "POST", {}, headers={"Authorization": "Bearer a-token-of-this-test"})
    unseen = call(f"{url}/cells")

    assert [each.status for each in (without, wrong, right, unseen)] == [401, 401, 202, 401]


@pytest.fixture(name="other_gateway", scope="module")
def _other_gateway(cells: Cells) -> str:
    """Another gateway of a, with a name of its own and room for few bodies."""
    return cells.stacks["a"].add_gateway(
        "other",
        GATEWAY_CELLS=str(cells.path),
        GATEWAY_CELL="a",
        GATEWAY_ALLOWED_HOSTS="only-here",
        GATEWAY_BODY_BUDGET=str(4 * 1024 * 1024),
    )


def test_names_and_origins_are_checked_where_the_client_is(
    cells: Cells, other_gateway: str
) -> None:
    """A gateway may be called by a name that other cells' gateways do not know."""
    id = of_b(cells)
    path, own, foreign = f"{other_gateway}/begin?id={id}&function=foo", "only-here", "elsewhere"

    refused = [
        call(path, "POST", {}, headers=headers)
        for headers in ({"Host": foreign}, {"Host": own, "Origin": f"http://{foreign}"})
    ]
    named = call(path, "POST", {}, headers={"Host": own})
    of_page = call(path, "POST", {}, headers={"Host": own, "Origin": f"http://{own}"})
    moved = {number_of(id): {"cell": "a", "former": ["b"]}}
    before = {number_of(id): cells.slots[number_of(id)]}
    cells.change(moved)
    found = wait_until(
        lambda: (
            call(f"{other_gateway}/cells").body["generation"] == cells.generation
            and call(f"{other_gateway}/wait?id={id}", headers={"Host": own})
        ),
        what="the map",
    )
    cells.change(before)

    assert [answer.status for answer in refused] == [403, 403]
    assert (named.status, named.body["created"]) == (202, True)
    assert of_page.body["created"] is False
    assert found.status == 200


def test_passed_bodies_leave_room_for_those_of_the_own_cell(
    cells: Cells, other_gateway: str
) -> None:
    """Also while the other cell is frozen, so that they are kept for as long as it is asked."""
    text = {"text": "x" * 700_000}
    ids = [of_b(cells) for _ in range(5)]
    own = next(f"own-{n}" for n in range(99) if cells.slots[number_of(f"own-{n}")]["cell"] == "a")
    gateway = cells.stacks["b"].gateways["gateway"]
    path = f"{other_gateway}/begin?function=foo&id="
    gateway.signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(5) as pool:
            asked = [pool.submit(call, f"{path}{id}", "POST", text) for id in ids]
            wait_until(lambda: sum(each.done() for each in asked) >= 4, what="refusals")
            begun = call(f"{path}{own}", "POST", text)
    finally:
        gateway.signal(signal.SIGCONT)

    kinds = Counter(each.result().body["type"] for each in asked)
    assert kinds["/problems/overloaded"] >= 3  # of two, one may come once the other has ended
    assert begun.status == 202


def test_a_stopping_gateway_lets_go_of_what_it_passes_on(cells: Cells) -> None:
    """A stream, a long poll and a begin that waits end before its time to stop is over."""
    settings: dict[str, Any] = {"GATEWAY_CELLS": str(cells.path), "GATEWAY_CELL": "a"}
    url = cells.stacks["a"].add_gateway("stopped", **settings)
    id, begun = approval(cells), of_b(cells)
    path, question = f"/begin?id={begun}&function=approval", {"question": "?"}
    with ThreadPoolExecutor(1) as pool, opened(url, f"/events?id={id}") as stream:
        stream.readline()
        waits = {"Prefer": "wait=25"}
        waiting = pool.submit(call, f"{url}{path}", "POST", question, 30, waits)
        wait_until(lambda: cells.has("b", begun), what="the begin")
        began = time.monotonic()
        code = cells.stacks["a"].gateways["stopped"].stop(seconds=20)
        seconds = time.monotonic() - began

    assert code == 0
    assert seconds < 5
    assert (waiting.result().status, waiting.result().headers["Retry-After"]) == (503, "1")
    assert cells.call("a", path, "POST", question).body["created"] is False

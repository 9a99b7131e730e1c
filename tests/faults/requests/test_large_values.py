"""Executions with large inputs, results, children and signals, while processes die."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlencode

import pytest

from shared.resonate.codec import encode_call
from shared.resonate.large_values import Reference, data_of
from tests.support.faults.proxy import proxy_to
from tests.support.processes import call, wait_until
from tests.support.receiver import receiving
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faults.proxy import Proxy
    from tests.support.stack import Stack

KIB: Final = 1024
PAD: Final = "é" * (20 * KIB)
ODD: Final = "tests.support.worker.odd"
WEBHOOKS: Final = {
    "WEBHOOK_SECRET": "whsec_" + "c2VjcmV0" * 4,
    "GATEWAY_CALLBACK_ALLOW": "127.0.0.1",
}


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Proxy]]:
    """Yield a service whose one worker, with odd functions too, meets the server by a proxy."""
    directory = tmp_path_factory.mktemp("large")
    with (
        running_stack(directory, workers=0, gateway=WEBHOOKS) as stack,
        proxy_to(stack.server.store_port) as proxy,
    ):
        stack.add_worker("odd", ODD, RESONATE_PORT_STORE=str(proxy.port), **WEBHOOKS)
        yield stack, proxy


def values(stack: Stack, owner: str) -> list[str]:
    """Return the ids of the values of a promise."""
    with closing(sqlite3.connect(stack.server.database)) as database:
        found = database.execute("SELECT id FROM promises WHERE id LIKE ?", (f"={owner}=%",))
        return [id for (id,) in found]


def read(proxy: Proxy, owner: str) -> int:
    """Return how often values of a promise were read."""
    return sum(unquote(each).startswith(f"GET /promises/={owner}=") for each in proxy.calls)


def test_a_large_input_makes_a_large_result(service: tuple[Stack, Proxy], job: str) -> None:
    """The worker reads the input once, and what it returns arrives at the client."""
    stack, proxy = service
    stack.begin(job, "foo", {"pad": PAD})

    ended = stack.outcome(job)

    assert ended["result"]["result"].count("\\u00e9") == len(PAD)
    assert read(proxy, job) == 1
    assert len(values(stack, job)) == 2


def test_children_with_large_inputs_and_results(service: tuple[Stack, Proxy], job: str) -> None:
    """A parent gets the large results of its children, each read once when it goes on."""
    stack, proxy = service
    looks_like_one = Reference.to(job, b"x").headers
    stack.create(job, "parent", [["foo", {"pad": PAD}], ["foo", looks_like_one]])

    results = stack.outcome(job)["result"]

    assert results[0]["result"].count("\\u00e9") == len(PAD)
    assert '"value-id"' in results[1]["result"]
    with stack.store() as store:
        child = store.promises.get(f"{job}.1")
        assert isinstance(data_of(child.param), Reference)
        assert isinstance(data_of(child.value), Reference)
    # The parent's input, and the child's; the child's result after each of the parent's two waits.
    assert (read(proxy, job), read(proxy, f"{job}.1")) == (3, 3)


def test_a_large_signal_for_one_that_waits(service: tuple[Stack, Proxy], job: str) -> None:
    """A function that waits for a signal gets its large value."""
    stack, _ = service
    stack.begin(job, "approval", {"within": "20s"})
    wait_until(lambda: stack.state(job).get("phase") == "waiting", what="waiting")
    assert stack.signal(job, {"pad": PAD}).status == 202

    assert stack.outcome(job)["result"] == {"answered": True, "answer": {"pad": PAD}}


def test_a_large_signal_that_comes_early(bare_stack: Stack, job: str) -> None:
    """A large value is kept for a function that does not wait yet."""
    bare_stack.begin(job, "approval", {"within": "20s"})
    assert bare_stack.signal(job, {"pad": PAD}).status == 202
    bare_stack.add_worker("worker-1")

    assert bare_stack.outcome(job)["result"] == {"answered": True, "answer": {"pad": PAD}}


def test_a_webhook_reads_no_result(service: tuple[Stack, Proxy], job: str) -> None:
    """The end of an execution with a large result is reported, and only clients read the result."""
    stack, proxy = service
    with receiving() as receiver:
        query = urlencode({"id": job, "function": "foo", "callback": receiver.url})
        assert call(f"{stack.url}/begin?{query}", "POST", {"pad": PAD}).status == 202
        wait_until(lambda: receiver.calls, seconds=20, what="the webhook")

    assert read(proxy, job) == 1  # its input


def test_a_worker_dies_between_value_and_reference(bare_stack: Stack, job: str) -> None:
    """The step runs again elsewhere, and an equal value is stored once."""
    stack = bare_stack
    with proxy_to(stack.server.store_port) as proxy:
        held = proxy.harm("PATCH", f"/promises/{job}.1", "hang")
        first = stack.add_worker("first", ODD, RESONATE_PORT_STORE=str(proxy.port))
        stack.create(job, "bulky_later", 64)
        wait_until(lambda: held.done, seconds=20, what="the write of the reference")
        assert len(values(stack, f"{job}.1")) == 1
        first.kill()
    stack.add_worker("second", ODD)

    ended = stack.outcome(job, 30)

    assert (ended["result"], ended["recovered_from"]) == ("x" * (64 * KIB), "first")
    assert [worker for worker, _ in stack.starts(job)] == ["first", "second"]
    assert len(values(stack, f"{job}.1")) == 1


def test_a_recovery_replays_large_results(bare_stack: Stack, job: str) -> None:
    """A worker that takes over gets the results of steps and children that had ended."""
    stack = bare_stack
    first = stack.add_worker("first", ODD)
    large = ["foo", {"pad": PAD}]
    stack.create(job, "parent", [large, large, ["checkout", {"pace": 0.4}]])
    wait_until(lambda: stack.starts(f"{job}.3"), seconds=20, what="the third child")
    first.kill()
    stack.add_worker("second", ODD)

    results: list[Any] = stack.outcome(job, 30)["result"]

    assert [each["result"].count("\\u00e9") for each in results[:2]] == [len(PAD), len(PAD)]
    assert len(stack.starts(f"{job}.1")) == 1


def test_a_lost_input_ends_the_execution(bare_stack: Stack, job: str) -> None:
    """An execution whose input is missing is rejected by the first worker that claims it."""
    stack = bare_stack
    stack.begin(job, "foo", {"pad": PAD})
    with closing(sqlite3.connect(stack.server.database)) as database, database:
        database.execute("DELETE FROM promises WHERE id LIKE ?", (f"={job}=%",))
    stack.add_worker("worker-1")

    ended = stack.outcome(job)

    assert (ended["status"], ended["error"]["type"]) == ("rejected", "ValueLost")
    assert stack.starts(job) == []


def test_inputs_of_older_versions_run(service: tuple[Stack, Proxy], job: str) -> None:
    """An execution that was stored with its whole input runs as before."""
    stack, proxy = service
    given = encode_call("foo", 1, f'{{"pad":"{PAD}"}}')
    old_format(stack, job, given)

    assert stack.outcome(job)["result"]["result"].count("\\u00e9") == len(PAD)
    assert read(proxy, job) == 0


def old_format(stack: Stack, id: str, data: str) -> None:
    """Create an execution with its whole data, as older versions did."""
    body = {
        "id": id,
        "timeout": 4_000_000_000_000,
        "param": {"data": base64.b64encode(data.encode()).decode()},
        "tags": {
            "resonate:invoke": "poll://any@worker",
            "resonate:scope": "global",
            "resonate:root": id,
            "resonate:parent": id,
        },
    }
    url = f"http://127.0.0.1:{stack.server.store_port}/promises"
    assert call(url, "POST", body).status == 201

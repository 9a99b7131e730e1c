"""Executions that no worker can run end with a clear error, and the worker lives on."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from shared.resonate.codec import encode_call
from tests.support.processes import call, wait_until
from tests.support.stack import INVOKE
from tests.support.worker.misbehaving import ERRORS, RESULTS, UNSTORABLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.faults.proxy import Proxy
    from tests.support.stack import Stack

PROBE_SECONDS = 5.0


@pytest.fixture(autouse=True)
def _lives_on(proxied: tuple[Stack, Proxy], job: str) -> Iterator[None]:
    """Whatever happened, the same process runs another job right after."""
    stack, _ = proxied
    pid = stack.workers["odd"].pid
    yield
    stack.begin(f"{job}-probe")
    assert stack.outcome(f"{job}-probe", PROBE_SECONDS)["status"] == "resolved"
    assert (stack.workers["odd"].running(), stack.workers["odd"].pid) == (True, pid)


def post(stack: Stack, id: str, param: dict[str, Any]) -> None:
    """Store an execution whose parameter is as given."""
    body = {"id": id, "timeout": int((time.time() + 60) * 1000), "param": param, "tags": INVOKE}
    answer = call(f"http://127.0.0.1:{stack.server.store_port}/promises", "POST", body)
    assert answer.status == 201


def encoded(raw: bytes) -> str:
    """Return bytes as the server takes them."""
    return base64.b64encode(raw).decode()


def rejection(stack: Stack, id: str) -> dict[str, Any]:
    """Wait for the execution to be rejected and return the value stored with that."""
    with stack.store() as store:
        wait_until(
            lambda: store.promises.get(id).state == "REJECTED",
            seconds=15,
            what=f"rejection of {id}",
        )
        stored = orjson.loads(store.promises.get(id).value.data or "null")
    found: dict[str, Any] = orjson.loads(stored["__error__"])
    return found


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"func": "foo"}',
        b'{"func": "foo", "args": ["1"], "kwargs": {}}',
        b'{"func": "foo", "args": "1", "kwargs": {}, "version": 1}',
        b'{"func": "foo", "args": ["1", "2"], "kwargs": {}, "version": 1}',
        b'{"func": "foo", "args": [], "kwargs": {}, "version": 1}',
        b'{"func": "foo", "args": [1], "kwargs": {}, "version": 1}',
        b'{"func": "foo", "args": ["{"], "kwargs": {}, "version": 1}',
        b'{"func": "foo", "args": ["1"], "kwargs": {"a": 1}, "version": 1}',
        b'{"func": 1, "args": ["1"], "kwargs": {}, "version": 1}',
        b'{"func": "foo", "args": ["1"], "kwargs": {}, "version": "1"}',
        b'{"func": "foo", "args": ["1"], "kwargs": [], "version": 1}',
    ],
)
def test_an_unreadable_call_is_rejected(proxied: tuple[Stack, Proxy], job: str, raw: bytes) -> None:
    """A call that no gateway can have written is rejected as such."""
    stack, _ = proxied
    post(stack, job, {"data": encoded(raw)})

    assert rejection(stack, job)["type"] == "InvalidCall"


def test_pickled_values_run_no_code(proxied: tuple[Stack, Proxy], job: str, tmp_path: Path) -> None:
    """A payload that jsonpickle would run as code runs nowhere, at claim, read or wait."""
    stack, _ = proxied
    trace = tmp_path / "ran"
    bomb = orjson.dumps(
        {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": [f"touch {trace}"]}]}
    ).decode()
    good = encode_call("foo", 1, "1").encode()
    post(stack, job, {"headers": {"resonate:format-py": bomb}, "data": encoded(good)})
    post(
        stack, f"{job}-2", {"headers": {"resonate:format-py": bomb}, "data": encoded(bomb.encode())}
    )

    assert stack.outcome(job)["status"] == "resolved"
    assert rejection(stack, f"{job}-2")["type"] == "InvalidCall"
    value = {"headers": {"resonate:format-py": bomb}, "data": encoded(b'"1"')}
    post(stack, f"{job}.x", {"data": encoded(good)})
    pending = f"{job}-3"
    stack.create(pending, "sleeps", 0.5)
    url = f"http://127.0.0.1:{stack.server.store_port}/promises/{pending}"
    assert call(url, "PATCH", {"state": "RESOLVED", "value": value}).status == 201
    assert call(f"{stack.url}/wait?id={pending}&include=steps").status == 200
    assert not trace.exists()


@pytest.mark.parametrize("kind", ["returns", "body_returns"])
@pytest.mark.parametrize("name", RESULTS)
def test_a_result_that_cannot_be_stored(
    proxied: tuple[Stack, Proxy], job: str, kind: str, name: str
) -> None:
    """A result that is not JSON rejects the execution."""
    stack, _ = proxied
    stack.create(job, f"{kind}_{name}")

    assert rejection(stack, job)["type"] == "NotJson"


@pytest.mark.parametrize("kind", ["raises", "body_raises"])
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_of_any_kind(proxied: tuple[Stack, Proxy], job: str, kind: str, name: str) -> None:
    """Of any error of a function its class and at most 2 KB of its text are stored."""
    stack, _ = proxied
    stack.create(job, f"{kind}_{name}")

    failure = rejection(stack, job)
    raised = type(ERRORS[name]).__name__
    # Python itself turns a StopIteration inside a generator into this.
    turned = "RuntimeError" if (kind, name) == ("body_raises", "stop_iteration") else raised
    assert failure["type"] == turned
    assert len(failure["message"].encode()) <= 2048


@pytest.mark.parametrize("function", ["yields_garbage", "hangs"])
def test_functions_that_are_no_functions(
    proxied: tuple[Stack, Proxy], job: str, function: str
) -> None:
    """A wrong signature, a wrong yield and a step that hangs end as rejections."""
    stack, _ = proxied
    stack.create(job, function)

    types = {"yields_garbage": "TypeError", "hangs": "StepTimeout"}
    assert rejection(stack, job)["type"] == types[function]


@pytest.mark.parametrize("name", UNSTORABLE)
def test_a_command_that_cannot_be_stored(proxied: tuple[Stack, Proxy], job: str, name: str) -> None:
    """A name or a time that cannot be stored is an error in the body, which may go on."""
    stack, _ = proxied
    stack.create(job, f"makes_{name}")

    wait_until(lambda: stack.state(job)["done"], what="its end")
    with stack.store() as store:
        result = orjson.loads(orjson.loads(store.promises.get(job).value.data or "null"))
    assert result.startswith(f"{UNSTORABLE[name][0].__name__}: ")
    assert [step for _, step in stack.starts(job)] == ["before"]


def test_a_write_that_cannot_be_encoded(proxied: tuple[Stack, Proxy], job: str) -> None:
    """A write that cannot be encoded rejects the execution, at once and with the place."""
    stack, _ = proxied
    stack.create(job, "unencodable")

    failure = rejection(stack, job)
    assert failure["type"] == "NotStorable"
    assert f"{job}.2 cannot be stored" in failure["message"]


def test_an_unknown_function_waits_for_a_newer_worker(
    proxied: tuple[Stack, Proxy], job: str
) -> None:
    """A function that this worker does not know is handed back again and again: it is blocked."""
    stack, _ = proxied
    stack.create(job, "from_the_future")
    worker = stack.workers["odd"]

    wait_until(
        lambda: len(worker.events("execution blocked", execution=job)) >= 2,
        seconds=10,
        what="two offers",
    )
    with stack.store() as store:
        assert store.promises.get(job).state == "PENDING"
        store.promises.cancel(job)


def test_a_canceled_execution_stops(proxied: tuple[Stack, Proxy], job: str) -> None:
    """Canceled while a step runs, an execution starts no further step."""
    stack, _ = proxied
    stack.create(job, "sleeps", 0.6)
    wait_until(lambda: stack.starts(job), what="its first step")

    with stack.store() as store:
        store.promises.cancel(job)

    stack.begin(f"{job}-after", "checkout", {"pace": 0.3})
    stack.outcome(f"{job}-after")
    assert stack.state(job)["status"] == "canceled"
    assert [step for _, step in stack.starts(job)] == ["first"]


def test_an_execution_that_times_out_stops(proxied: tuple[Stack, Proxy], job: str) -> None:
    """Past its deadline while a step runs, an execution starts no further step."""
    stack, _ = proxied
    stack.create(job, "sleeps", 0.8, seconds=0.5)

    stack.begin(f"{job}-after", "checkout", {"pace": 0.4})
    stack.outcome(f"{job}-after")
    assert stack.state(job)["status"] == "timedout"
    assert [step for _, step in stack.starts(job)] == ["first"]

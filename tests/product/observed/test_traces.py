"""The id and the trace of a request go with its execution, from one process to the other."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING, Any, Final

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.stack import Stack

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
REQUEST: Final = "cart/7:2026-11-29"

type Lines = list[dict[str, Any]]


def begin(stack: Stack, id: str, function: str, body: bytes) -> None:
    """Begin an execution as a part of the trace."""
    headers = {
        "Content-Type": "application/json",
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
        "X-Request-Id": REQUEST,
    }
    url = f"{stack.url}/begin?id={id}&function={function}"
    request = urllib.request.Request(url, body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 202


def test_a_trace_reaches_the_workers_log(stack: Stack, job: str) -> None:
    """Every line of the workers about an execution has its request and trace, failures included."""
    begin(stack, job, "checkout", b'{"pace": 0.01, "fail": "ship"}')
    stack.outcome(job)

    lines = [line for worker in stack.workers.values() for line in worker.events(execution=job)]
    assert {"step started", "step failed", "execution failed"} <= {line["event"] for line in lines}
    assert causes(lines) == {(REQUEST, TRACE)}


def causes(lines: Lines) -> set[tuple[str, str]]:
    """Return the requests and traces that lines name."""
    return {(line.get("request_id", ""), line.get("trace_id", "")) for line in lines}


def test_a_request_without_an_id_is_named_as_well(stack: Stack, job: str) -> None:
    """The id that the gateway has made, and answered with, is on the lines of workers too."""
    began = stack.begin(job, "checkout", {"pace": 0})
    stack.outcome(job)

    lines = [line for worker in stack.workers.values() for line in worker.events(execution=job)]
    assert causes(lines) == {(began.headers["X-Request-Id"], "")}


def test_children_belong_to_the_trace(stack: Stack, job: str) -> None:
    """Every line about a child has the request and the trace of the execution above it."""
    begin(stack, job, "fanout", b'{"parts": 4, "pace": 0}')
    stack.outcome(job)

    lines = [line for worker in stack.workers.values() for line in worker.events("step started")]
    children = [line for line in lines if line["execution"].startswith(f"{job}.")]
    assert len(children) == 4
    assert causes(children) == {(REQUEST, TRACE)}


def test_a_trace_outlives_a_worker(own_stack: Stack, job: str) -> None:
    """The worker that takes an execution over goes on with its trace, and names its request."""
    begin(own_stack, job, "checkout", b'{"pace": 0.5}')
    steps = wait_until(lambda: own_stack.state(job, steps=True)["steps"], what="its first record")
    holder = str(steps[0]["worker"])
    own_stack.workers[holder].kill()
    ended = own_stack.outcome(job)

    others = [worker for name, worker in own_stack.workers.items() if name != holder]
    lines = [line for worker in others for line in worker.events(execution=job)]
    assert ended["attempt"] == 2
    assert "execution recovered" in {line["event"] for line in lines}
    assert causes(lines) == {(REQUEST, TRACE)}

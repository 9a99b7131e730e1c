"""What gateways and workers log: known fields, by one name each, and nothing of what is sent."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.observed import SECRET
from tests.support.processes import ROOT, call, wait_until
from tests.support.stack import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes import Process
    from tests.support.stack import Stack

TOKEN = "token-of-the-tests-9f2c"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
EVERYWHERE = {"event", "level", "timestamp", "process"}
OF_AN_EXECUTION = re.compile(r"^(step|execution|claim|slot|signal|child|webhook|thread) ")
"""Events of workers that are about one execution."""


def documented() -> set[str]:
    """Return the fields of the table in docs/observability.md."""
    text = (ROOT / "docs" / "observability.md").read_text()
    table = text.partition("## Logs")[2].partition("\nLines of level ")[0]
    rows = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    return set(re.findall(r"`(\w+)`", " ".join(rows)))


def lines_of(process: Process) -> list[dict[str, Any]]:
    """Return all that a process has logged."""
    return [json.loads(line) for line in process.log.read_bytes().splitlines()]


@pytest.fixture(name="ran", scope="module")
def _ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a service in which all has happened, with its processes stopped."""
    gateway = {"GATEWAY_TOKENS": TOKEN, "LOG_LEVEL": "debug"}
    directory = tmp_path_factory.mktemp("logs")
    with running_stack(directory, workers=0, gateway=gateway) as stack:
        for name in ("worker-1", "worker-2"):
            stack.add_worker(name, "tests.support.observed", LOG_LEVEL="debug")
        happen(stack)
        for process in (*stack.workers.values(), *stack.gateways.values()):
            if process.running():
                assert process.stop() == 0
        yield stack


def ask(stack: Stack, method: str, path: str, body: object = None) -> Any:
    """Make a request as a client who is allowed to; return what is answered."""
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
        "X-Request-Id": "request-7",
    }
    return call(f"{stack.url}{path}", method, body, headers=headers).body


def end_of(stack: Stack, id: str) -> dict[str, Any]:
    """Wait for an execution's end."""

    def state() -> dict[str, Any]:
        body: dict[str, Any] = ask(stack, "GET", f"/wait?id={id}")
        return body if body.get("done") else {}

    return wait_until(state, what=f"the end of {id}")


def logged(stack: Stack, event: str, **fields: object) -> None:
    """Wait for a line of a worker."""
    workers = stack.workers.values()
    wait_until(lambda: any(each.events(event, **fields) for each in workers), what=event)


def happen(stack: Stack) -> None:
    """Begin, signal, cancel, fail, retry, kill a worker, and send what is refused."""
    ask(stack, "POST", "/begin?id=waits&function=approval", {"question": SECRET})
    stack.suspended("waits")
    ask(stack, "POST", "/signal?id=waits&name=approval", SECRET)
    assert end_of(stack, "waits")["result"]["answer"] == SECRET
    ask(stack, "POST", "/begin?id=crashes&function=checkout", {"pace": 0.5})
    wait_until(lambda: len(stack.starts("crashes")) > 1, what="the second step")
    stack.workers[stack.starts("crashes")[0][0]].kill()
    ask(stack, "POST", "/begin?id=canceled&function=checkout", {"pace": 3})
    wait_until(lambda: stack.starts("canceled"), what="its first step")
    ask(stack, "POST", "/cancel?id=canceled", {"reason": SECRET})
    for function in ("flaky", "refuses"):
        stack.create(function, function, SECRET)
    for id in ("crashes", "flaky-not"):
        ask(stack, "GET", f"/result?id={id}&secret={SECRET}")
    fails = {"pace": 0, "fail": "ship"}
    ask(stack, "POST", "/begin?id=fails&function=checkout", fails)
    call(f"{stack.url}/wait?id=fails", headers={"Authorization": f"Bearer {SECRET}"})
    ask(stack, "POST", "/begin?id=echoes&function=foo", SECRET)
    ask(stack, "POST", "/begin?id=unfit&function=checkout", {"pace": SECRET})
    ask(stack, "GET", "/healthz")
    for id in ("crashes", "fails", "canceled", "echoes"):
        assert end_of(stack, id)["done"]
    logged(stack, "step finished", execution="flaky")
    logged(stack, "execution failed", execution="refuses")
    logged(stack, "slot given back")


def test_each_line_is_json_with_known_fields(ran: Stack) -> None:
    """Each line of each process parses, has what every line has, and no undocumented field."""
    known = documented()
    for process in (*ran.workers.values(), *ran.gateways.values()):
        lines = lines_of(process)
        assert lines
        for line in lines:
            assert line.keys() >= EVERYWHERE, line
            assert line.keys() <= known, (sorted(line.keys() - known), line)


def test_nothing_that_was_sent_is_logged(ran: Stack) -> None:
    """No line has an input, a result, the value of a signal, a token or a query."""
    for process in (*ran.workers.values(), *ran.gateways.values()):
        text = process.log.read_text()
        assert SECRET not in text
        assert TOKEN not in text


def test_lines_of_an_execution_name_it(ran: Stack) -> None:
    """A worker's lines about an execution have its id, request, trace and worker by these names."""
    events = set()
    for name, worker in ran.workers.items():
        for line in lines_of(worker):
            assert line["worker"] == line["process"] == name
            if OF_AN_EXECUTION.match(line["event"]):
                events.add(line["event"])
                assert line["execution"], line
                created_here = line["execution"] in {"flaky", "refuses"}
                cause = (line.get("request_id"), line.get("trace_id"))
                assert cause == ((None, None) if created_here else ("request-7", TRACE)), line
            if line["event"].startswith("step ") and "finished" not in line["event"]:
                assert line["step"], line
                assert line["attempt"] >= 1, line
    assert events >= {
        "step started",
        "step failed",
        "step finished",
        "execution failed",
        "execution recovered",
        "slot given back",
    }


def test_a_request_is_one_line(ran: Stack) -> None:
    """Each request has a line with its execution, its id and its trace."""
    requests = ran.gateways["gateway"].events("request")
    begins = [line for line in requests if line["path"] == "/begin"]

    assert [line["execution"] for line in begins] == [
        "waits",
        "crashes",
        "canceled",
        "fails",
        "echoes",
        "unfit",
    ]
    assert {(line["request_id"], line["trace_id"]) for line in begins} == {("request-7", TRACE)}


def test_a_fault_is_one_line(ran: Stack) -> None:
    """A failed attempt and a failed execution have one line each; the text of both is theirs."""
    workers = ran.workers.values()
    failed = [line for each in workers for line in each.events(execution="refuses")]

    assert [line["event"] for line in failed] == ["step started", "step failed", "execution failed"]
    assert [
        line["again"] for each in workers for line in each.events("step failed", execution="flaky")
    ] == [True]

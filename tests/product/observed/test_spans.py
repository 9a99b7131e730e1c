"""The spans that a collector really gets of a real service."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.catalog import CHECKOUT
from tests.support.collector import Collector, collecting
from tests.support.observed import SECRET
from tests.support.processes import call, wait_until
from tests.support.receiver import receiving
from tests.support.stack import running_stack
from tests.support.webhooks import WEBHOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.collector import Sent
    from tests.support.stack import Stack

CLIENT: Final = "00f067aa0ba902b7"
"""The span of the client that begins an execution."""

STATE: Final = "vendor=t61rcWkgMzE,other@sys=1"
"""What comes with that span, for whoever knows it."""

TOKEN: Final = "a-token-of-the-tests"
QUERY: Final = "question-in-a-query"

type Traced = tuple[Stack, Collector]


@contextmanager
def traced_stack(directory: Path, **more: str) -> Iterator[Traced]:
    """Run a service that sends its spans to a collector."""
    with collecting() as collector:
        environment = {**WEBHOOKS, **collector.environment, **more}
        gateway = {**environment, "GATEWAY_TOKENS": ""}
        with running_stack(directory, workers=0, gateway=gateway) as stack:
            for number in (1, 2):
                stack.add_worker(f"worker-{number}", "tests.support.observed", **environment)
            yield stack, collector


@pytest.fixture(name="traced", scope="module")
def _traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    with traced_stack(tmp_path_factory.mktemp("traced")) as traced:
        yield traced


@pytest.fixture(name="trace")
def _trace(job: str) -> str:
    """Return the id of a trace that no other test uses."""
    return job.removeprefix("job-").rjust(32, "a")


def begin(  # noqa: PLR0913 - what a begin is made of
    stack: Stack,
    id: str,
    function: str,
    body: object,
    *,
    trace: str,
    flags: str = "01",
    more: str = "",
) -> None:
    """Begin an execution as a part of a trace."""
    headers = {
        "traceparent": f"00-{trace}-{CLIENT}-{flags}",
        "tracestate": STATE,
        "Authorization": f"Bearer {TOKEN}",
    }
    url = f"{stack.url}/begin?id={id}&function={function}{more}"
    answer = call(url, "POST", body, headers=headers)
    assert answer.status == 202, answer


def named(spans: list[Sent], name: str) -> list[Sent]:
    """Return the spans of a name."""
    return [span for span in spans if span.name == name]


def of_execution(collector: Collector, id: str, *names: str) -> list[Sent]:
    """Wait for spans of an execution by their names, and return all of it."""

    def found() -> list[Sent]:
        spans = list(collector.spans)
        return [span for span in spans if span.attributes.get("durable_http.execution.id") == id]

    wait_until(lambda: set(names) <= {span.name for span in found()}, what=f"spans {names}")
    return sorted(found(), key=lambda span: span.began)


def test_one_trace_leads_from_the_client_to_the_steps(traced: Traced, job: str, trace: str) -> None:
    """A span's parent is the span that has caused it, from process to process."""
    stack, collector = traced
    begin(stack, job, "checkout", {"pace": 0.01}, trace=trace, more="&timeout=60s")
    stack.outcome(job)
    spans = collector.wait(trace, "run checkout", "POST /begin", "POST /promises")

    (request,), (run,) = named(spans, "POST /begin"), named(spans, "run checkout")
    steps = [span for span in spans if span.name.startswith("step ")]
    call_ = next(span for span in spans if span.kind == "client")
    assert (request.kind, request.parent, request.service) == (
        "server",
        CLIENT,
        "durable-http-gateway",
    )
    assert (call_.name, call_.parent) == ("POST /promises", request.id)
    assert (run.kind, run.parent, run.service) == ("consumer", request.id, "durable-http-worker")
    assert [step.name for step in steps] == [f"step {name}" for name in CHECKOUT]
    assert {(step.kind, step.parent) for step in steps} == {("internal", run.id)}
    assert not [span for span in spans if span.has_failed]
    assert {span.state for span in spans} == {STATE}


def test_spans_have_the_attributes_of_the_conventions(traced: Traced, job: str, trace: str) -> None:
    """HTTP is named as OpenTelemetry has it, executions by names of our own; nothing else is."""
    stack, collector = traced
    begin(stack, job, "checkout", {"pace": 0.01}, trace=trace)
    stack.outcome(job)
    spans = collector.wait(trace, "run checkout", "POST /begin", "POST /promises")

    (request,), (run,) = named(spans, "POST /begin"), named(spans, "run checkout")
    (charge,) = named(spans, f"step {CHECKOUT[1]}")
    call_ = next(span for span in spans if span.kind == "client")
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/begin",
        "url.path": "/begin",
        "url.scheme": "http",
        "http.response.status_code": 202,
        "durable_http.execution.id": job,
    }
    assert call_.attributes == {
        "http.request.method": "POST",
        "url.path": "/promises",
        "server.address": "127.0.0.1",
        "server.port": stack.server.store_port,
        "http.response.status_code": 201,
    }
    assert run.attributes == {
        "durable_http.execution.id": job,
        "durable_http.function": "checkout",
        "durable_http.version": 1,
        "durable_http.worker": run.resource["service.instance.id"],
        "durable_http.attempt": 1,
        "durable_http.outcome": "ended",
    }
    assert charge.attributes == {
        "durable_http.execution.id": job,
        "durable_http.step": CHECKOUT[1],
        "durable_http.step.id": f"{job}.2",
        "durable_http.worker": run.resource["service.instance.id"],
        "durable_http.attempt": 1,
    }


def test_nothing_that_was_sent_is_in_a_span(traced: Traced, job: str, trace: str) -> None:
    """No input, result, signal, query, token or message of an error is sent to the collector."""
    stack, collector = traced
    begin(stack, job, "approval", {"question": SECRET}, trace=trace)
    stack.suspended(job)
    call(f"{stack.url}/signal?id={job}&name=approval", "POST", SECRET)
    stack.outcome(job)
    call(f"{stack.url}/list?prefix={QUERY}", headers={"Authorization": f"Bearer {TOKEN}"})
    stack.create(f"{job}-no", "refuses", SECRET)
    of_execution(collector, f"{job}-no", "run refuses")
    wait_until(
        lambda: [span for span in list(collector.spans) if span.name == "GET /list"],
        what="its span",
    )

    sent = b"".join(collector.bodies)
    assert not [
        secret for secret in (SECRET, QUERY, TOKEN, "traceparent") if secret.encode() in sent
    ]
    assert {span.message for span in collector.spans} == {""}


def test_a_wait_ends_a_run(traced: Traced, job: str, trace: str) -> None:
    """After a signal another run goes on, linked to the first one; the step is not told again."""
    stack, collector = traced
    begin(stack, job, "approval", {}, trace=trace)
    stack.suspended(job)
    (first,) = named(collector.wait(trace, "run approval"), "run approval")
    stack.signal(job, "yes")
    stack.outcome(job)
    spans = collector.wait(trace, "run approval", "run approval")

    second = named(spans, "run approval")[1]
    assert first.attributes["durable_http.outcome"] == "suspended"
    assert second.attributes["durable_http.outcome"] == "ended"
    assert (second.parent, second.links, first.links) == (first.parent, (first.id,), ())
    assert second.attributes["durable_http.attempt"] == 1
    assert len(named(spans, "step ask")) == 1


def test_children_and_webhooks_belong_to_the_trace(traced: Traced, job: str, trace: str) -> None:
    """A child's run is below its parent's run, a webhook's below the begin; its POST says so."""
    stack, collector = traced
    with receiving() as receiver:
        body = {"parts": 2, "pace": 0}
        begin(stack, job, "fanout", body, trace=trace, more=f"&callback={receiver.url}")
        stack.outcome(job)
        parts = ("run part", "run part", "run fanout", "run webhook", "step deliver", "POST")
        spans = collector.wait(trace, *parts)
        (hook,) = receiver.calls

    (request,), first = named(spans, "POST /begin"), named(spans, "run fanout")[0]
    (deliver,), (post,) = named(spans, "step deliver"), named(spans, "POST")
    assert {span.parent for span in named(spans, "run part")} == {first.id}
    assert {span.parent for span in named(spans, "run webhook")} == {request.id}
    assert (post.kind, post.parent) == ("client", deliver.id)
    assert hook.headers["traceparent"] == f"00-{trace}-{post.id}-01"
    assert hook.headers["tracestate"] == STATE
    assert {span.state for span in spans} == {STATE}
    assert post.attributes["http.response.status_code"] == 204
    assert "url.path" not in post.attributes


def test_each_attempt_has_a_span(traced: Traced, job: str) -> None:
    """A failed attempt has the name of its error, and no more; without a begin a trace is made."""
    stack, collector = traced
    stack.create(job, "flaky", 1)
    spans = of_execution(collector, job, "run flaky")
    first, second = named(spans, "step once")

    assert [
        first.attributes["durable_http.attempt"],
        second.attributes["durable_http.attempt"],
    ] == [1, 2]
    assert (first.has_failed, first.attributes["error.type"]) == (True, "Flaky")
    assert (second.has_failed, "error.type" in second.attributes) == (False, False)
    assert len({span.trace_id for span in spans}) == 1


def test_a_failure_is_an_error(traced: Traced, job: str) -> None:
    """The run of an execution that fails has the name of its error."""
    stack, collector = traced
    stack.create(job, "refuses")
    (run,) = named(of_execution(collector, job, "run refuses"), "run refuses")

    assert (run.has_failed, run.attributes["error.type"]) == (True, "NonRetryableError")
    assert run.attributes["durable_http.outcome"] == "ended"


def test_spans_of_users_are_below_the_step(traced: Traced, job: str) -> None:
    """A span that a step's function makes is sent too, as a part of the step."""
    stack, collector = traced
    stack.create(job, "instrumented")
    (step,) = named(of_execution(collector, job, "run instrumented", "step outer"), "step outer")
    (own,) = named(collector.wait(step.trace_id, "call the bank"), "call the bank")

    assert own.parent == step.id


def test_what_the_client_does_not_sample_is_not_sent(traced: Traced, job: str, trace: str) -> None:
    """The flags of a `traceparent` hold for all processes; the log has the trace all the same."""
    stack, collector = traced
    begin(stack, job, "approval", {}, trace=trace, flags="00")
    stack.suspended(job)
    stack.signal(job, "yes")
    stack.outcome(job)
    sampled = f"{trace[1:]}b"
    begin(stack, f"{job}-2", "checkout", {"pace": 0}, trace=sampled)
    stack.outcome(f"{job}-2")
    collector.wait(sampled, "POST /begin", "run checkout")

    lines = [line for worker in stack.workers.values() for line in worker.events(execution=job)]
    assert collector.of(trace) == []
    assert {line["trace_id"] for line in lines} == {trace}


def test_a_trace_goes_on_after_a_crash(tmp_path: Path, job: str, trace: str) -> None:
    """The next run is linked to that of the killed worker, whose span and step it sends as lost."""
    with traced_stack(tmp_path) as (stack, collector):
        begin(stack, job, "checkout", {"pace": 0.5}, trace=trace)
        wait_until(lambda: len(stack.state(job, steps=True)["steps"]) > 1, what="the second step")
        collector.wait(trace, f"step {CHECKOUT[0]}")
        holder = str(stack.state(job)["worker"])
        stack.workers[holder].kill()
        stack.outcome(job)
        collector.wait(trace, "run checkout", "run checkout", f"step {CHECKOUT[-1]}")
        spans = collector.of(trace)

    (request,) = named(spans, "POST /begin")
    lost, second = named(spans, "run checkout")
    repeated = [span for span in spans if span.name.startswith("step ")]
    again = [name for name in CHECKOUT if len(named(repeated, f"step {name}")) == 2]
    assert (lost.parent, second.parent) == (request.id, request.id)
    assert second.links == (lost.id,)
    assert (lost.attributes["durable_http.attempt"], second.attributes["durable_http.attempt"]) == (
        1,
        2,
    )
    assert (lost.attributes["error.type"], lost.attributes["durable_http.worker"]) == (
        "WorkerLost",
        holder,
    )
    assert len(repeated) == len(CHECKOUT) + 1
    killed, ran = named(repeated, f"step {again[0]}")
    assert (killed.parent, killed.attributes["error.type"]) == (lost.id, "WorkerLost")
    assert (ran.parent, ran.has_failed) == (second.id, False)
    assert {span.state for span in spans} == {STATE}
    # What had ended before belongs to the first run, which has sent it itself.
    assert named(repeated, f"step {CHECKOUT[0]}")[0].parent == lost.id


def test_a_worker_that_stops_sends_its_last_spans(tmp_path: Path, job: str, trace: str) -> None:
    """A run that is handed back is sent by its worker; the next one is linked to it."""
    more = {"OTEL_BSP_SCHEDULE_DELAY": "60000", "WORKER_DRAIN_SECONDS": "0.1"}
    with traced_stack(tmp_path, **more) as (stack, collector):
        begin(stack, job, "checkout", {"pace": 3}, trace=trace)
        wait_until(lambda: stack.starts(job), what="the first step")
        holder = stack.starts(job)[0][0]
        assert stack.workers[holder].stop() == 0
        (run,) = named(collector.wait(trace, "run checkout"), "run checkout")

    assert run.attributes["durable_http.outcome"] == "given_up"
    assert run.attributes["durable_http.worker"] == holder


@pytest.mark.parametrize("dead", ["closed_port", "silent_port", "refusing"])
def test_a_dead_collector_costs_one_line(
    tmp_path: Path, job: str, dead: str, request: pytest.FixtureRequest
) -> None:
    """Executions run on, each process logs one line, and ends in time."""
    with collecting() as refusing:
        refusing.status = 400
        port = refusing.port if dead == "refusing" else request.getfixturevalue(dead)
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_BSP_MAX_QUEUE_SIZE": "8",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4",
        }
        with running_stack(tmp_path, workers=0, gateway=environment) as stack:
            worker = stack.add_worker("worker-1", **environment)
            gateway = stack.gateways["gateway"]
            processes = (worker, gateway)
            for number in range(20):
                assert stack.begin(f"{job}-{number}", "checkout", {"pace": 0}).status == 202
            for number in range(20):
                stack.outcome(f"{job}-{number}")
            event = "spans not sent, see OTEL_EXPORTER_OTLP_ENDPOINT and its collector"
            wait_until(lambda: all(each.events(event) for each in processes), what="the lines")
            began = time.monotonic()
            assert [each.stop() for each in processes] == [0, 0]
            seconds = time.monotonic() - began

            lines = [each.events(event) for each in processes]
            others = [
                line for each in processes for line in each.events() if line["level"] == "warning"
            ]
    assert [len(each) for each in lines] == [1, 1]
    assert all(each[0]["reason"] for each in lines)
    assert {line["event"] for line in others} <= {event, OPEN}
    assert seconds < 8


OPEN: Final = "anybody who reaches this gateway may call it; GATEWAY_TOKENS sets tokens"

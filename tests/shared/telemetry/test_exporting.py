"""What sends spans: its settings, its failures, and forks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.collector import Collector, collecting
from tests.support.processes import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

BEGIN = """
import os, sys, time
from shared.log import configure_logging
from shared.settings import LogSettings
from shared.telemetry.spans import ClaimedRun, LostStep, TraceContext
from shared.telemetry.tracing import start_tracing, tracing
configure_logging(LogSettings(), "worker-1")
traces = start_tracing("worker", "worker-1")
def claimed(key="__invoke:job/1", **stored):
    return ClaimedRun(key, "job", 5, "foo", 1, "worker-1", **stored)
"""


@pytest.fixture(name="collector")
def _collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def run(collector: Collector, code: str, **environment: str) -> list[dict[str, object]]:
    """Run code in a process that sends spans; return what it logs."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **collector.environment, **environment},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


ONE_RUN = "traces.run(claimed()).end('ended', attempt=1)\ntraces.close()\n"


def test_spans_are_sent_at_the_end(collector: Collector) -> None:
    """A process that ends at once has sent its spans, and has said nothing."""
    lines = run(collector, ONE_RUN, OTEL_BSP_SCHEDULE_DELAY="60000")

    assert [span.name for span in collector.spans] == ["run foo"]
    assert lines == []


@pytest.mark.parametrize(
    ("environment", "service", "instance"),
    [
        ({}, "durable-http-worker", "worker-1"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine", "worker-1"),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=ours,service.instance.id=7,zone=b"},
            "ours",
            "7",
        ),
    ],
)
def test_variables_name_the_process(
    collector: Collector, environment: dict[str, str], service: str, instance: str
) -> None:
    """The names of service and instance are ours unless variables have them."""
    run(collector, ONE_RUN, **environment)

    (span,) = collector.spans
    assert span.resource["service.name"] == service
    assert span.resource["service.instance.id"] == instance
    assert span.resource.get("zone") == ("b" if "zone" in str(environment) else None)


def test_headers_and_samplers_are_the_sdks(collector: Collector) -> None:
    """A token for the collector is sent; a sampler that takes nothing sends nothing."""
    run(collector, ONE_RUN, OTEL_EXPORTER_OTLP_HEADERS="authorization=Basic%20abc")
    run(collector, ONE_RUN, OTEL_TRACES_SAMPLER="always_off")

    assert [headers["authorization"] for headers in collector.headers] == ["Basic abc"]
    assert len(collector.spans) == 1


def test_another_process_can_link_to_a_run(collector: Collector) -> None:
    """The id of a run follows from its claim, and a lost run has the id that its worker gave it."""
    run(collector, ONE_RUN)
    code = """
run = traces.run(claimed("__invoke:job/2"))
run.lost("__invoke:job/1", 1, LostStep("pay", "job.1", "worker-0", int(time.time() * 1000) - 500))
run.lost("__invoke:job/1", 1, LostStep("pack", "job.2", "worker-0", int(time.time() * 1000)))
run.end("ended", attempt=2, former="__invoke:job/1")
run.end("ended", attempt=2)
traces.close()
"""
    run(collector, code)

    sent, *later = collector.spans
    lost = next(span for span in later if span.has_failed and span.name == "run foo")
    (second,) = [span for span in later if span.name == "run foo" and not span.has_failed]
    assert (lost.id, lost.trace_id) == (sent.id, sent.trace_id)
    assert second.links == (sent.id,)
    assert second.id != sent.id
    assert [span.name for span in later].count("run foo") == 2
    assert [span.parent for span in later if span.name == "step pay"] == [lost.id]
    assert lost.ended - lost.began >= 500_000_000


@pytest.mark.parametrize(
    ("stored", "parent", "state"),
    [
        ("trace_id='a' * 32, origin='b' * 16 + '-01'", "b" * 16, ""),
        ("trace_id='a' * 32, origin='b' * 16 + '-01', trace_state='a=1,b=2'", "b" * 16, "a=1,b=2"),
        ("trace_id='a' * 32, origin='b' * 16 + '-01', trace_state='nonsense'", "b" * 16, ""),
        ("trace_id='a' * 32", "", ""),
        ("trace_id='a' * 32, origin='nonsense', trace_state='a=1'", "", ""),
    ],
)
def test_a_run_takes_up_what_is_stored(
    collector: Collector, stored: str, parent: str, state: str
) -> None:
    """A trace without a span, as earlier releases have stored it, is gone on with."""
    code = f"run = traces.run(claimed({stored}))\nrun.end('ended', attempt=1)\ntraces.close()\n"
    run(collector, code)

    (span,) = collector.spans
    assert (span.trace_id, span.parent, span.state) == ("a" * 32, parent, state)


def test_a_run_ends_its_steps(collector: Collector) -> None:
    """A step that nobody has ended when its run ends has failed; what follows changes nothing."""
    code = """
run = traces.run(claimed())
step = run.step("pay", "job.1", 1)
run.end("given_up", attempt=1)
step.end()
step.failed("Late")
traces.close()
"""
    run(collector, code)

    step = next(span for span in collector.spans if span.name == "step pay")
    assert step.attributes["error.type"] == "Abandoned"
    assert len(collector.spans) == 2


def test_a_child_that_is_forked_sends_nothing(collector: Collector) -> None:
    """A forked child makes no spans, and does not send those of its parent once more."""
    code = """
import warnings
warnings.simplefilter("ignore")  # Python warns of forks in a process with threads
run = traces.run(claimed())
child = os.fork()
if child == 0:
    tracing().run(claimed("other/1")).end("ended", attempt=1)
    run.end("ended", attempt=1)
    tracing().close()
    traces.close()
    os._exit(0)
os.waitpid(child, 0)
run.end("suspended", attempt=1)
traces.close()
"""
    run(collector, code)

    (span,) = collector.spans
    assert span.attributes["durable_http.outcome"] == "suspended"


def test_a_collector_that_comes_back_is_told_of(collector: Collector) -> None:
    """The log has one line when spans are lost, and one with their number when they are sent."""
    collector.status = 400
    code = """
for n in range(5):
    traces.run(claimed(f"task/{n}")).end("ended", attempt=1)
    traces._provider.force_flush()
print('{"event": "failed"}', flush=True)
sys.stdin.readline()
traces.run(claimed("task/5")).end("ended", attempt=1)
traces.close()
"""
    with subprocess.Popen(
        [sys.executable, "-c", BEGIN + code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **collector.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        collector.status = 200
        output, _ = process.communicate(b"\n", timeout=30)
    lines += [json.loads(line) for line in output.splitlines()]

    assert [line["event"] for line in lines] == [
        "spans not sent, see OTEL_EXPORTER_OTLP_ENDPOINT and its collector",
        "failed",
        "spans are sent again",
    ]
    assert (lines[0]["level"], lines[2]["dropped"]) == ("warning", 5)
    wait_until(lambda: len(collector.spans) == 1, what="the last span")


def test_what_a_full_queue_costs_is_told(collector: Collector) -> None:
    """A collector that takes less than is made costs spans: the log has a line, and how many."""
    code = """
import threading
gate = threading.Event()
exporter = traces._exporter._exporter
send = exporter.export
exporter.export = lambda spans: send(spans) if gate.wait(30) else None
queue = traces._provider._active_span_processor._span_processors[0]._batch_processor._queue
def make(count):
    for n in range(count):
        traces.run(claimed(f"task/{n}")).end("ended", attempt=1)
make(8)
while queue:
    time.sleep(0.01)
make(20)
gate.set()
traces._provider.force_flush()
make(1)
traces.close()
"""
    size = {"OTEL_BSP_MAX_QUEUE_SIZE": "8", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}
    first, second = run(collector, code, **size, OTEL_BSP_SCHEDULE_DELAY="60000")

    assert (first["level"], second["event"]) == ("warning", "spans are sent again")
    assert first["reason"] == "the queue is full, see OTEL_BSP_MAX_QUEUE_SIZE"
    assert (second["dropped"], len(collector.spans)) == (12, 17)


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "ftp://127.0.0.1:1", "http://127.0.0.1:99999"]
)
def test_a_bad_url_is_one_line(collector: Collector, url: str) -> None:
    """A URL that no request can have costs the spans, and nothing else."""
    lines = run(collector, ONE_RUN, OTEL_EXPORTER_OTLP_ENDPOINT=url)

    assert [line["event"] for line in lines] == [
        "spans not sent, see OTEL_EXPORTER_OTLP_ENDPOINT and its collector"
    ]

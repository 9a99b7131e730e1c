"""Whether spans are made, and what that costs where they are not."""

from __future__ import annotations

import pytest

from shared.telemetry.spans import NO_RUN, NO_SPAN, ClaimedRun, Tracing
from shared.telemetry.tracing import is_wanted, tracing
from tests.support.processes import run_program

URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": URL}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "false"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": " "}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_spans_are_made_if_a_collector_is_named(
    environment: dict[str, str], *, wanted: bool
) -> None:
    """A variable must name the collector, and none must turn traces off."""
    assert is_wanted(environment) is wanted


def test_empty_variables_are_not_set() -> None:
    """What is empty is taken away, of OpenTelemetry's variables only."""
    environment = {"OTEL_TRACES_SAMPLER": "", "OTEL_SERVICE_NAME": "x", "WORKER_NAME": ""}
    is_wanted(environment)

    assert environment == {"OTEL_SERVICE_NAME": "x", "WORKER_NAME": ""}


def test_nothing_is_made_by_default() -> None:
    """All that is begun is the same object, which does nothing."""
    traces = tracing()
    claimed = ClaimedRun("task/1", "job", 0, "foo", 1, "worker-1")

    assert type(traces) is Tracing
    assert traces.request("GET", None, "/", None) is NO_SPAN
    assert traces.call(b"GET / HTTP/1.1\r\n\r\n", "host", 1) is NO_SPAN
    assert traces.run(claimed) is NO_RUN
    assert NO_RUN.step("name", "job.1", 1) is NO_SPAN
    assert (NO_SPAN.context, NO_RUN.context) == (None, None)


OFF = """
import sys, threading
import {module}
from shared.telemetry.tracing import start_tracing
start_tracing("gateway", "gateway")
loaded = [name for name in sys.modules if name.startswith("opentelemetry")]
print(loaded, threading.active_count())
"""


@pytest.mark.parametrize("module", ["gateway.__main__", "worker.__main__"])
def test_nothing_is_loaded_and_no_thread_started_by_default(module: str) -> None:
    """Without a collector no library of OpenTelemetry is imported, and nobody connects."""
    done = run_program(OFF.format(module=module))

    assert done.stdout.split() == ["[]", "1"], done.stderr

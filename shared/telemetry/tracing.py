"""Whether this process makes spans, and what makes them.

They are made if one of OpenTelemetry's variables names a collector. Its libraries are imported
then, and not before: they take 0.3 s and 20 MiB.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from shared.telemetry.spans import Tracing

if TYPE_CHECKING:
    from collections.abc import MutableMapping

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
"""Variables, of which one names the collector."""

_tracing = Tracing()


def tracing() -> Tracing:
    """Return what makes this process's spans."""
    return _tracing


def start_tracing(service: str, process: str) -> Tracing:
    """Have this process make spans, if its environment says so; only `__main__` modules call it.

    `service` and `process` are the names under which a collector shows it, unless variables name
    it.
    """
    if is_wanted(os.environ):
        # Here, since nothing of this is needed otherwise.
        from shared.telemetry.exporting import ExportedTracing  # noqa: PLC0415

        # A child that a step forks has none of our threads, and shares our connection.
        os.register_at_fork(after_in_child=lambda: use(Tracing()))
        use(ExportedTracing(service, process))
    return _tracing


def use(tracing: Tracing) -> None:
    """Have the spans made by this from now on."""
    global _tracing  # noqa: PLW0603 - as the log, it is the process's
    _tracing = tracing


def is_wanted(environment: MutableMapping[str, str]) -> bool:
    """Return whether spans are to be sent; take away OpenTelemetry's variables that are empty.

    They count as not set, which its libraries do not do for all of them.
    """
    for name in [name for name in environment if name.startswith("OTEL_")]:
        if not environment[name].strip():
            del environment[name]
    is_off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    has_exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() != "none"
    return any(name in environment for name in ENDPOINTS) and has_exporter and not is_off

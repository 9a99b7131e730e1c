"""The worker's settings, read once from a mapping of environment variables."""

from __future__ import annotations

import os
import re
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.environment import EnvironmentReader
from shared.presence import Address, read_presence_secret
from shared.settings import (
    MAX_RESULT_BYTES,
    NAME_GRAMMAR,
    LogSettings,
    ServerSettings,
    WebhookSettings,
    read_log,
    read_max_result_bytes,
    read_metrics,
    read_server,
    read_webhooks,
    read_worker_group,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


SHIPPED_MODULES: Final = ("worker.functions",)
"""The package of the examples, which is served where no modules are named."""

GATEWAY_GRAMMAR: Final = re.compile(
    r"([a-z0-9._-]+|\[[0-9a-f:.]+(?:%[a-z0-9._-]+)?\]):([0-9]{1,5})"
)
"""A name, an IPv4 or a bracketed IPv6 address, which may name its interface, and a port."""

MODULE_GRAMMAR: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True)
class MetricsSettings:
    """Whether the worker counts, and where it answers /metrics: nowhere with the port 0."""

    on: bool = True
    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True)
class WorkerSettings:
    """One worker process, which serves the functions of the modules and packages `functions`.

    An execution stays with a worker that died for `lease_seconds`.

    An attempt of a step that has no `timeout` may take `step_timeout_seconds`. A step during which
    `max_recoveries` workers were lost is not started again. A worker whose resident memory exceeds
    `memory_mib` drains and ends, to be started again. 0 is no limit.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    log: LogSettings = field(default_factory=LogSettings)
    name: str = "worker"
    group: str = "worker"
    functions: tuple[str, ...] = SHIPPED_MODULES
    concurrency: int = 16
    lease_seconds: float = 2.0
    drain_seconds: float = 20.0
    step_timeout_seconds: float = 3600.0
    max_recoveries: int = 5
    memory_mib: int = 0
    alive_file: str = ""
    ready_file: str = ""
    max_result_bytes: int = MAX_RESULT_BYTES
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    gateways: tuple[Address, ...] = (Address("localhost", 5002),)
    presence_secret: str = field(default="", repr=False)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)


def worker_settings(
    environment: Mapping[str, str] = os.environ, *, terminal: bool | None = None
) -> WorkerSettings:
    """Return the worker's settings, or raise `SettingsError` with all faults."""
    read = EnvironmentReader(environment)
    settings = WorkerSettings(
        server=read_server(read),
        log=read_log(read, terminal=sys.stdout.isatty() if terminal is None else terminal),
        name=read.text("WORKER_NAME", socket.gethostname(), NAME_GRAMMAR),
        group=read_worker_group(read),
        functions=_modules(read),
        concurrency=read.integer("WORKER_CONCURRENCY", 16, 1, 1024, "executions at once"),
        lease_seconds=read.number("WORKER_LEASE_SECONDS", 2.0, 0.5, 300, "seconds"),
        drain_seconds=read.number("WORKER_DRAIN_SECONDS", 20.0, 0, 3600, "seconds"),
        step_timeout_seconds=read.number(
            "WORKER_STEP_TIMEOUT_SECONDS", 3600.0, 0, 31_536_000, "seconds (0: no limit)"
        ),
        max_recoveries=read.integer("WORKER_MAX_RECOVERIES", 5, 1, 1000, "lost workers"),
        memory_mib=read.integer("WORKER_MEMORY_MIB", 0, 0, 1024 * 1024, "MiB (0: no limit)"),
        alive_file=read.text("WORKER_ALIVE_FILE", ""),
        ready_file=read.text("WORKER_READY_FILE", ""),
        max_result_bytes=read_max_result_bytes(read),
        webhooks=read_webhooks(read),
        gateways=_gateways(read),
        presence_secret=read_presence_secret(read),
        metrics=MetricsSettings(
            on=read_metrics(read),
            host=read.text("WORKER_METRICS_HOST", "127.0.0.1"),
            port=read.port("WORKER_METRICS_PORT", 0, low=0),
        ),
    )
    read.finish()
    return settings


def _gateways(read: EnvironmentReader) -> tuple[Address, ...]:
    found = []
    for entry in read.names("WORKER_GATEWAYS") or ["localhost:5002"]:
        match = GATEWAY_GRAMMAR.fullmatch(entry)
        if match is None or not 0 < int(match[2]) < 65536:
            read.faults.append(f"WORKER_GATEWAYS must be hosts with ports, got {entry!r}")
        else:
            found.append(Address(match[1].strip("[]"), int(match[2])))
    return tuple(found)


def _modules(read: EnvironmentReader) -> tuple[str, ...]:
    text = read.text("WORKER_FUNCTIONS", ",".join(SHIPPED_MODULES))
    names = tuple(filter(None, (part.strip() for part in text.split(","))))
    for name in names or (text,):
        if not MODULE_GRAMMAR.fullmatch(name):
            read.faults.append(
                f"WORKER_FUNCTIONS must be modules like orders,billing.flows, got {name!r}"
            )
    return names

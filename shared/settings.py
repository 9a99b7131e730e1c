"""Settings, read once from a mapping of environment variables into frozen dataclasses."""

from __future__ import annotations

import os
import re
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.destinations import Destinations
from shared.environment import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_GRAMMAR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Worker names and groups: they stand in URLs of the server and in answers to clients."""


@dataclass(frozen=True)
class ServerSettings:
    """Where the Resonate server is. `host` is a URL without a port, as the SDK has it."""

    host: str = "http://localhost"
    store_port: int = 8001
    message_port: int = 8002
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class LogSettings:
    """`level` is a name of the standard library's; `format` is `console` or `json`."""

    level: str = "info"
    format: str = "json"


@dataclass(frozen=True)
class WebhookSettings:
    """`secret` signs (`whsec_…`); without one there are no webhooks. `to` is where they may go."""

    secret: str = field(default="", repr=False)
    to: Destinations = field(default_factory=Destinations)


@dataclass(frozen=True)
class Deadlines:
    """Seconds, each shorter than the next, or the outer one would hide the inner."""

    store_attempt: float = 2.0
    store_budget: float = 3.0
    offload: float = 4.0
    shutdown: float = 10.0

    def __post_init__(self) -> None:
        if not self.store_attempt <= self.offload < self.shutdown or (
            self.store_budget >= self.offload
        ):
            raise ValueError(f"every deadline must be shorter than the next: {self}")


@dataclass(frozen=True)
class Limits:
    """Seconds that one client may take.

    `head` is for a request's line and headers, `body` for the whole of its body, `answer` for
    taking what it is sent, `idle` between two requests: longer than the proxies in front keep a
    connection, so that it is never closed under a request of theirs.
    """

    head: float = 20.0
    body: float = 30.0
    answer: float = 60.0
    idle: float = 75.0

    def __post_init__(self) -> None:
        if min(self.head, self.body, self.answer, self.idle) <= 0:
            raise ValueError(f"every limit must be longer than nothing: {self}")


@dataclass(frozen=True)
class GatewaySettings:
    """One gateway process. Without `tokens` anybody may call it.

    `begins` may be under way and `waiters` may wait at once. There are fewer begins than places
    for calls (`threads` and `queue`), so that a flood of begins leaves some to those who read.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    log: LogSettings = field(default_factory=LogSettings)
    host: str = "127.0.0.1"
    port: int = 5001
    max_body: int = 1024 * 1024
    tokens: tuple[str, ...] = field(default=(), repr=False)
    begins: int = 2000
    waiters: int = 20_000
    worker_group: str = "worker"
    threads: int = 32
    queue: int = 4096
    deadlines: Deadlines = field(default_factory=Deadlines)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class WorkerSettings:
    """One worker process. `lease_seconds` is how long a dead worker's job stays with it.

    A worker whose resident memory is over `memory_mib` drains and ends, to be started afresh; 0 is
    no limit.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    log: LogSettings = field(default_factory=LogSettings)
    name: str = "worker"
    group: str = "worker"
    concurrency: int = 16
    lease_seconds: float = 2.0
    drain_seconds: float = 20.0
    memory_mib: int = 0
    alive_file: str = ""
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)


def _server(read: Reader) -> ServerSettings:
    username = read.text("RESONATE_USERNAME", "")
    password = read.text("RESONATE_PASSWORD", "")
    if bool(username) != bool(password):
        read.faults.append("RESONATE_USERNAME and RESONATE_PASSWORD go together: set both or none")
    return ServerSettings(
        host=read.url("RESONATE_HOST", "http://localhost"),
        store_port=read.port("RESONATE_PORT_STORE", 8001),
        message_port=read.port("RESONATE_PORT_MESSAGE_SOURCE", 8002),
        username=username,
        password=password,
    )


def _log(read: Reader, *, terminal: bool) -> LogSettings:
    return LogSettings(
        level=read.choice("LOG_LEVEL", "info", "debug", "info", "warning", "error"),
        format=read.choice("LOG_FORMAT", "console" if terminal else "json", "console", "json"),
    )


def _webhooks(read: Reader) -> WebhookSettings:
    return WebhookSettings(
        secret=read.secret("WEBHOOK_SECRET"), to=read.destinations("GATEWAY_CALLBACK_ALLOW")
    )


def gateway_settings(
    environment: Mapping[str, str] = os.environ, *, terminal: bool | None = None
) -> GatewaySettings:
    """Return the gateway's settings, or raise `SettingsError` with every fault there is."""
    read = Reader(environment)
    settings = GatewaySettings(
        server=_server(read),
        log=_log(read, terminal=sys.stdout.isatty() if terminal is None else terminal),
        host=read.text("GATEWAY_HOST", "127.0.0.1"),
        port=read.port("GATEWAY_PORT", 5001, low=0),
        max_body=read.integer("GATEWAY_MAX_BODY", 1024 * 1024, 1, 64 * 1024 * 1024, "bytes"),
        tokens=read.tokens("GATEWAY_TOKENS"),
        worker_group=read.text("WORKER_GROUP", "worker", NAME_GRAMMAR),
        webhooks=_webhooks(read),
    )
    read.finish()
    return settings


def worker_settings(
    environment: Mapping[str, str] = os.environ, *, terminal: bool | None = None
) -> WorkerSettings:
    """Return the worker's settings, or raise `SettingsError` with every fault there is."""
    read = Reader(environment)
    settings = WorkerSettings(
        server=_server(read),
        log=_log(read, terminal=sys.stdout.isatty() if terminal is None else terminal),
        name=read.text("WORKER_NAME", socket.gethostname(), NAME_GRAMMAR),
        group=read.text("WORKER_GROUP", "worker", NAME_GRAMMAR),
        concurrency=read.integer("WORKER_CONCURRENCY", 16, 1, 256, "executions at once"),
        lease_seconds=read.number("WORKER_LEASE_SECONDS", 2.0, 0.5, 300, "seconds"),
        drain_seconds=read.number("WORKER_DRAIN_SECONDS", 20.0, 0, 3600, "seconds"),
        memory_mib=read.integer("WORKER_MEMORY_MIB", 0, 0, 1024 * 1024, "MiB (0: no limit)"),
        alive_file=read.text("WORKER_ALIVE_FILE", ""),
        webhooks=_webhooks(read),
    )
    read.finish()
    return settings

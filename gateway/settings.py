"""The gateway's settings, read once from a mapping of environment variables."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.environment import EnvironmentReader
from shared.presence import read_presence_secret
from shared.settings import (
    MAX_RESULT_BYTES,
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

SHIPPED_CATALOG: Final = Path(__file__).parent / "catalog" / "shipped.json"
"""The manifest of the functions that come with the service."""

HOST_GRAMMAR = re.compile(r"\*|[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*")
"""A name, an IPv4 or an IPv6 address, or all of them."""

ORIGIN_GRAMMAR = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
DEFAULT_PORT = re.compile(r"^(http(?=:.*:80$)|https(?=:.*:443$))(.*):\d+$")
"""An origin with the port that browsers leave out."""


LAST_PORT: Final = 65535


@dataclass(frozen=True)
class Deadlines:
    """Seconds; an inner deadline is shorter than the outer one, or its error would never be seen.

    `store_attempt` is for one HTTP call to the server, `store_budget` for a call with its retries,
    `offload` for a call with its wait for a thread, `shutdown` for requests that are still running.
    """

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

    `head` is for a request's line and headers, `body` for its body, `answer` for taking an answer.
    `idle` is the time between two requests of a connection. It is longer than proxies keep idle
    connections, so that a proxy never sends a request on a connection that is just being closed.
    """

    head: float = 20.0
    body: float = 30.0
    answer: float = 60.0
    idle: float = 75.0

    def __post_init__(self) -> None:
        if min(self.head, self.body, self.answer, self.idle) <= 0:
            raise ValueError(f"every limit must be positive: {self}")


@dataclass(frozen=True)
class CatalogSettings:
    """The file with the catalog's manifest, and what is begun when a client names no function.

    With None that is what the manifest says.
    """

    path: Path = SHIPPED_CATALOG
    default: str | None = None


@dataclass(frozen=True)
class PresenceSettings:
    """Where workers connect, and the secret that they must know; without one nothing listens.

    `ports` are those of all processes of this gateway, if they are several: each listens at a port
    of its own, and tells workers of all. Port 0 is a free one, of which nobody is told.
    """

    secret: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    port: int = 5002
    ports: tuple[int, ...] = ()

    def of_process(self, number: int) -> PresenceSettings:
        """Return the settings of one of the processes, which are numbered from 1."""
        return replace(self, port=self.ports[number - 1]) if self.ports else self


@dataclass(frozen=True)
class GatewaySettings:
    """One gateway process. Without `tokens` anybody may call it.

    With more than one of `processes` each has these limits for itself.

    `allowed_hosts` are its names besides those of this machine, `cors_origins` the origins whose
    web pages may call it, both in lower case; `*` is all.

    Of bodies that are being read it holds `body_budget` bytes, of large answers until they are sent
    `answer_budget`.

    Of `max_connections` fewer are allowed where the process may open too few files.

    `begins` is how many begins run at once, `waiters` how many clients wait at once. Of calls to
    the server `threads` run at once and `queue` more wait. That is more than `begins`, so that a
    flood of begins leaves room for reads.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    log: LogSettings = field(default_factory=LogSettings)
    catalog: CatalogSettings = field(default_factory=CatalogSettings)
    host: str = "127.0.0.1"
    port: int = 5001
    processes: int = 1
    max_connections: int = 25_000
    max_body: int = 1024 * 1024
    max_result_bytes: int = MAX_RESULT_BYTES
    body_budget: int = 64 * 1024 * 1024
    answer_budget: int = 64 * 1024 * 1024
    tokens: tuple[str, ...] = field(default=(), repr=False)
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    begins: int = 2000
    waiters: int = 20_000
    worker_group: str = "worker"
    threads: int = 32
    queue: int = 4096
    deadlines: Deadlines = field(default_factory=Deadlines)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    limits: Limits = field(default_factory=Limits)
    presence: PresenceSettings = field(default_factory=PresenceSettings)
    metrics: bool = True


def gateway_settings(
    environment: Mapping[str, str] = os.environ, *, terminal: bool | None = None
) -> GatewaySettings:
    """Return the gateway's settings. Raises `SettingsError` with every fault."""
    read = EnvironmentReader(environment)
    settings = read_gateway(read, terminal=terminal)
    read.finish()
    return settings


def read_gateway(read: EnvironmentReader, *, terminal: bool | None = None) -> GatewaySettings:
    """Read the gateway's settings; what is at fault has its default."""
    tokens = read.tokens("GATEWAY_TOKENS")
    port = read.port("GATEWAY_PORT", 5001, low=0)
    processes = read.integer("GATEWAY_PROCESSES", 1, 1, 64, "processes")
    return GatewaySettings(
        server=read_server(read),
        log=read_log(read, terminal=sys.stdout.isatty() if terminal is None else terminal),
        catalog=CatalogSettings(
            path=Path(read.text("GATEWAY_CATALOG", str(SHIPPED_CATALOG))),
            default=read.text("GATEWAY_DEFAULT_FUNCTION", "") or None,
        ),
        host=read.text("GATEWAY_HOST", "127.0.0.1"),
        port=port,
        processes=processes,
        max_connections=read.integer(
            "GATEWAY_MAX_CONNECTIONS", 25_000, 1, 1_000_000, "connections"
        ),
        max_body=read.integer("GATEWAY_MAX_BODY", 1024 * 1024, 1, 64 * 1024 * 1024, "bytes"),
        body_budget=_budget(read, "GATEWAY_BODY_BUDGET"),
        answer_budget=_budget(read, "GATEWAY_ANSWER_BUDGET"),
        max_result_bytes=read_max_result_bytes(read),
        tokens=tokens,
        allowed_hosts=_hosts(read),
        cors_origins=_origins(read, secured=bool(tokens)),
        worker_group=read_worker_group(read),
        webhooks=read_webhooks(read),
        presence=_presence(read, port, processes),
        metrics=read_metrics(read),
    )


def _presence(read: EnvironmentReader, taken: int, processes: int) -> PresenceSettings:
    """Read the settings for workers' connections; `taken` is the port of clients."""
    secret = read_presence_secret(read)
    host = read.text("GATEWAY_PRESENCE_HOST", "127.0.0.1")
    port = read.port("GATEWAY_PRESENCE_PORT", 5002, low=0)
    if port == 0:
        return PresenceSettings(secret, host, port)
    ports = range(port, port + processes)
    if ports[-1] > LAST_PORT:
        read.faults.append(
            f"GATEWAY_PRESENCE_PORT must leave each of {processes} processes a port, got {port}"
        )
    if secret and taken in ports:
        read.faults.append(
            f"GATEWAY_PORT must not be one of the {processes} ports from GATEWAY_PRESENCE_PORT on,"
            f" got {taken}"
        )
    return PresenceSettings(secret, host, port, tuple(ports) if processes > 1 else ())


def _budget(read: EnvironmentReader, name: str) -> int:
    return read.integer(name, 64 * 1024 * 1024, 1024 * 1024, 16 * 1024 * 1024 * 1024, "bytes")


def _hosts(read: EnvironmentReader) -> tuple[str, ...]:
    hosts = [host.strip("[]").removesuffix(".") for host in read.names("GATEWAY_ALLOWED_HOSTS")]
    for host in hosts:
        if not HOST_GRAMMAR.fullmatch(host):
            read.faults.append(
                f"GATEWAY_ALLOWED_HOSTS must be names without ports, or *, got {host!r}"
            )
    return tuple(hosts)


def _origins(read: EnvironmentReader, *, secured: bool) -> tuple[str, ...]:
    origins = read.names("GATEWAY_CORS_ORIGINS")
    for origin in origins:
        if origin == "*" and not secured:
            read.faults.append(
                "GATEWAY_CORS_ORIGINS must not be * without GATEWAY_TOKENS: any web page could call"
            )
        elif origin != "*" and not ORIGIN_GRAMMAR.fullmatch(origin):
            read.faults.append(
                f"GATEWAY_CORS_ORIGINS must be origins like https://app.example, got {origin!r}"
            )
    return tuple(DEFAULT_PORT.sub(r"\1\2", origin) for origin in origins)

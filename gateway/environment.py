"""Reads the gateway's settings from environment variables."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.settings import (
    SHIPPED_CATALOG,
    CatalogSettings,
    CellsSettings,
    GatewaySettings,
    PresenceSettings,
)
from shared.environment import EnvironmentReader
from shared.presence import read_presence_secret
from shared.settings import (
    read_log,
    read_max_result_bytes,
    read_metrics,
    read_server,
    read_webhooks,
    read_worker_group,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST_GRAMMAR = re.compile(r"\*|[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*")
"""A name, an IPv4 or an IPv6 address, or all of them."""

ORIGIN_GRAMMAR = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
DEFAULT_PORT = re.compile(r"^(http(?=:.*:80$)|https(?=:.*:443$))(.*):\d+$")
"""An origin with the port that browsers leave out."""


LAST_PORT: Final = 65535


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
        cells=_cells(read, processes),
    )


def _cells(read: EnvironmentReader, processes: int) -> CellsSettings | None:
    path, name = read.text("GATEWAY_CELLS", ""), read.text("GATEWAY_CELL", "")
    if bool(path) != bool(name):
        read.faults.append("GATEWAY_CELLS and GATEWAY_CELL are needed together, or neither")
    if path and processes > 1 and not read_metrics(read):
        read.faults.append(
            "METRICS must be on with GATEWAY_CELLS and GATEWAY_PROCESSES: by them processes tell"
            " each other which slot map is in force"
        )
    return CellsSettings(Path(path), name) if path and name else None


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

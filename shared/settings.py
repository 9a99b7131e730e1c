"""Settings that gateway and worker share, read once from environment variables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.destinations import Destinations

if TYPE_CHECKING:
    from shared.environment import EnvironmentReader

NAME_GRAMMAR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Worker names and groups: parts of the server's URLs and of answers to clients."""

MAX_RESULT_BYTES: Final = 1024 * 1024
"""Bytes of JSON that a result, a child's input or a signal's value may have, by default."""

GATEWAY_GROUP = "gateway"
"""The group of gateways at the server's message streams; no work is offered to it."""


@dataclass(frozen=True)
class ServerSettings:
    """Address of the Resonate server. `host` is a URL without a port, as in the SDK."""

    host: str = "http://localhost"
    store_port: int = 8001
    message_port: int = 8002
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class LogSettings:
    """`level` is a level of `logging` in lower case; `format` is `console` or `json`."""

    level: str = "info"
    format: str = "json"


@dataclass(frozen=True)
class WebhookSettings:
    """`secret` (`whsec_…`) signs webhooks; without it none is sent.

    `destinations` are the addresses that webhooks may call.
    """

    secret: str = field(default="", repr=False)
    destinations: Destinations = field(default_factory=Destinations)


def read_server(read: EnvironmentReader) -> ServerSettings:
    """Read the server's address and the user that calls it."""
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


def read_log(read: EnvironmentReader, *, terminal: bool) -> LogSettings:
    """Read how to log; `terminal` is whether standard output is a terminal."""
    return LogSettings(
        level=read.choice("LOG_LEVEL", "info", "debug", "info", "warning", "error"),
        format=read.choice("LOG_FORMAT", "console" if terminal else "json", "console", "json"),
    )


def read_metrics(read: EnvironmentReader) -> bool:
    """Read whether a process counts what it does, for /metrics."""
    return read.choice("METRICS", "on", "on", "off") == "on"


def read_max_result_bytes(read: EnvironmentReader) -> int:
    """Read how many bytes of JSON one stored value may have.

    The server reads and writes a value as a whole, and does nothing else meanwhile: from a few MiB
    on, all calls become slow.
    """
    return read.integer("MAX_RESULT_BYTES", MAX_RESULT_BYTES, 1024, 16 * 1024 * 1024, "bytes")


def read_webhooks(read: EnvironmentReader) -> WebhookSettings:
    """Read the secret that signs webhooks and the destinations that they may have."""
    return WebhookSettings(
        secret=read.secret("WEBHOOK_SECRET"),
        destinations=read.destinations("GATEWAY_CALLBACK_ALLOW"),
    )


def read_worker_group(read: EnvironmentReader) -> str:
    """Read the group of workers to which gateways send work."""
    group = read.text("WORKER_GROUP", "worker", NAME_GRAMMAR)
    if group == GATEWAY_GROUP:
        read.faults.append(
            f"WORKER_GROUP must not be {GATEWAY_GROUP!r}: gateways listen there, and run no work"
        )
    return group

"""Settings that gateway and workers share, read once from a mapping of environment variables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.destinations import Destinations

if TYPE_CHECKING:
    from shared.environment import Reader

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


def read_server(read: Reader) -> ServerSettings:
    """Read where the server is, and as whom to call it."""
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


def read_log(read: Reader, *, terminal: bool) -> LogSettings:
    """Read how to log; `terminal` is whether a person reads the output."""
    return LogSettings(
        level=read.choice("LOG_LEVEL", "info", "debug", "info", "warning", "error"),
        format=read.choice("LOG_FORMAT", "console" if terminal else "json", "console", "json"),
    )


def read_webhooks(read: Reader) -> WebhookSettings:
    """Read how webhooks are signed and where they may go."""
    return WebhookSettings(
        secret=read.secret("WEBHOOK_SECRET"), to=read.destinations("GATEWAY_CALLBACK_ALLOW")
    )

"""The gateway's settings, read once from a mapping of environment variables."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.environment import EnvironmentReader
from shared.settings import (
    MAX_RESULT_BYTES,
    NAME_GRAMMAR,
    LogSettings,
    ServerSettings,
    WebhookSettings,
    read_log,
    read_max_result_bytes,
    read_server,
    read_webhooks,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


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
class GatewaySettings:
    """One gateway process. Without `tokens` anybody may call it.

    Of bodies that are being read it holds `body_budget` bytes, of large answers that are being sent
    `answer_budget`. `begins` is how many begins run at once, `waiters` how many clients wait at
    once. Of calls to the server `threads` run at once and `queue` more wait. That is more than
    `begins`, so that a flood of begins leaves room for reads.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    log: LogSettings = field(default_factory=LogSettings)
    host: str = "127.0.0.1"
    port: int = 5001
    max_body: int = 1024 * 1024
    max_result_bytes: int = MAX_RESULT_BYTES
    body_budget: int = 64 * 1024 * 1024
    answer_budget: int = 64 * 1024 * 1024
    tokens: tuple[str, ...] = field(default=(), repr=False)
    begins: int = 2000
    waiters: int = 20_000
    worker_group: str = "worker"
    threads: int = 32
    queue: int = 4096
    deadlines: Deadlines = field(default_factory=Deadlines)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    limits: Limits = field(default_factory=Limits)


def gateway_settings(
    environment: Mapping[str, str] = os.environ, *, terminal: bool | None = None
) -> GatewaySettings:
    """Return the gateway's settings. Raises `SettingsError` with every fault."""
    read = EnvironmentReader(environment)
    settings = GatewaySettings(
        server=read_server(read),
        log=read_log(read, terminal=sys.stdout.isatty() if terminal is None else terminal),
        host=read.text("GATEWAY_HOST", "127.0.0.1"),
        port=read.port("GATEWAY_PORT", 5001, low=0),
        max_body=read.integer("GATEWAY_MAX_BODY", 1024 * 1024, 1, 64 * 1024 * 1024, "bytes"),
        body_budget=_budget(read, "GATEWAY_BODY_BUDGET"),
        answer_budget=_budget(read, "GATEWAY_ANSWER_BUDGET"),
        max_result_bytes=read_max_result_bytes(read),
        tokens=read.tokens("GATEWAY_TOKENS"),
        worker_group=read.text("WORKER_GROUP", "worker", NAME_GRAMMAR),
        webhooks=read_webhooks(read),
    )
    read.finish()
    return settings


def _budget(read: EnvironmentReader, name: str) -> int:
    return read.integer(name, 64 * 1024 * 1024, 1024 * 1024, 16 * 1024 * 1024 * 1024, "bytes")

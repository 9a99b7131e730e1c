"""The gateway's settings; `gateway.environment` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from shared.settings import (
    MAX_RESULT_BYTES,
    LogSettings,
    ServerSettings,
    WebhookSettings,
)

SHIPPED_CATALOG: Final = Path(__file__).parent / "catalog" / "shipped.json"
"""The manifest of the functions that come with the service."""


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
class CellsSettings:
    """The file with the slot map of all cells, and the name of this gateway's own."""

    path: Path
    name: str


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
    cells: CellsSettings | None = None

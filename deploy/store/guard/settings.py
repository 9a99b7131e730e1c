"""What a guard is told by its environment and its arguments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deploy.store.guard.server_settings import GuardError, ServerSetting, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy.store.guard.server_settings import Address

SPARE_PAUSE_SECONDS: Final = 3.0
"""Seconds for which a guard that waited lets the active one be first, once PostgreSQL is back."""

GUARD_SUFFIX: Final = "_guard"
"""The role of the guard is that of the server with this suffix: the server's has no room for a
second connection."""

PREFIX: Final = "AIO_SUBSYSTEMS_STORE_POSTGRES_CONFIG_"
"""Variables from which the server takes the settings of its store (cmd/serve/serve.go, v0.8.2)."""

STORE_FLAG: Final = "--aio-store-"
WORKERS: Final = ServerSetting(
    "--aio-store-postgres-workers", ("aio", "subsystems", "store", "postgres", "config", "workers")
)
API: Final = ServerSetting(
    "--api-http-addr", ("api", "subsystems", "http", "config", "addr"), ":8001"
)
METRICS: Final = ServerSetting("--metrics-addr", ("metricsAddr",), ":9090")

ONE_WORKER: Final = (
    "the store must have one worker: with more of them the server loses executions and ends"
)


@dataclass(frozen=True)
class GuardSettings:
    """Where PostgreSQL is, and how the server is started."""

    host: str
    port: str
    user: str
    password: str
    database: str
    sslmode: str
    server: str
    """The server's program."""

    flags: tuple[str, ...]
    alive_file: Path | None
    """Is touched every second while the guard runs, also while it waits."""

    environment: Mapping[str, str]
    api: Address
    metrics: Address
    """Where the server is reached for calls, and for scrapes."""

    metrics_listener: Address
    """Where the server listens for scrapes; its host is empty for all of them."""

    @property
    def guard_user(self) -> str:
        return self.user + GUARD_SUFFIX

    def command(self) -> list[str]:
        """Return the server's command; what is secret is in `server_environment`."""
        return [
            self.server,
            "serve",
            *self.flags,
            "--aio-store-postgres-enable=true",
            "--aio-store-postgres-workers=1",
            f"--aio-store-postgres-query=sslmode={self.sslmode}",
        ]

    def server_environment(self) -> dict[str, str]:
        """Return the environment of the server, with the address of its store."""
        store = {
            "HOST": self.host,
            "PORT": self.port,
            "USERNAME": self.user,
            "PASSWORD": self.password,
            "DATABASE": self.database,
        }
        return {**self.environment, **{PREFIX + name: value for name, value in store.items()}}


def guard_settings(environment: Mapping[str, str], flags: Sequence[str]) -> GuardSettings:
    """Return the settings. Raises `GuardError`."""
    server = ServerSettings(environment, flags)
    refuse_workers(server)
    for flag in flags:
        if flag.startswith(STORE_FLAG):
            raise GuardError(f"{flag}: the guard sets the store; use PGHOST, PGUSER and the like")
    password = environment.get("PGPASSWORD", "")
    if not password:
        raise GuardError("PGPASSWORD is not set: it is the password of the server and the guard")
    alive = environment.get("GUARD_ALIVE_FILE")
    return GuardSettings(
        host=environment.get("PGHOST") or "localhost",
        port=environment.get("PGPORT") or "5432",
        user=environment.get("PGUSER") or "resonate",
        password=password,
        database=environment.get("PGDATABASE") or "resonate",
        sslmode=environment.get("PGSSLMODE") or "require",
        server=environment.get("RESONATE_SERVER_BIN") or "/app/resonate",
        flags=tuple(flags),
        alive_file=Path(alive) if alive else None,
        environment=environment,
        api=server.address(API),
        metrics=server.address(METRICS),
        metrics_listener=server.listener(METRICS),
    )


def refuse_workers(server: ServerSettings) -> None:
    """Raise `GuardError` where a flag, a variable or the server's file asks for several workers."""
    for place, value in server.places(WORKERS):
        if str(value) != "1":
            raise GuardError(f"{place}={value}: {ONE_WORKER}")

"""The advisory lock of PostgreSQL whose holder runs the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

import psycopg

from deploy.store.guard.server_settings import GuardError
from deploy.store.guard.settings import SPARE_PAUSE_SECONDS

if TYPE_CHECKING:
    from deploy.store.guard.settings import GuardSettings

    type Connection = psycopg.AsyncConnection[tuple[object, ...]]

LOCK: Final = int.from_bytes(b"resonate")
"""The key of the lock; PostgreSQL keeps the locks of each database apart."""

CONNECT_SECONDS: Final = 2
"""Seconds that an attempt to connect takes at most."""

PAUSE_SECONDS: Final = 0.1
"""Seconds between two attempts to connect, and between two to get the lock."""

KEEPALIVE: Final = (
    "keepalives_idle=2 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=5000"
)
"""A PostgreSQL whose machine has vanished is noticed after 5 s, as PostgreSQL notices a guard's."""

log = logging.getLogger("guard")


class Lock:
    """Is held by one guard of all."""

    def __init__(self, settings: GuardSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self.is_held = False
        """Whether this guard has the lock, as far as it is known."""

    async def acquire(self) -> None:
        """Return once this guard has the lock. Raises `GuardError` if the roles do not fit."""
        pause = 0.0
        while not self.is_held:
            self._connection = await self._connect()
            await asyncio.sleep(pause)
            try:
                await self._wait(self._connection)
            except psycopg.Error as error:
                log.warning("PostgreSQL lost while waiting: %s", _words(error))
                pause = SPARE_PAUSE_SECONDS

    async def _wait(self, connection: Connection) -> None:
        is_spare = False
        while not await self._try(connection):
            if not is_spare:
                log.info("another server is active; this one waits as the spare")
            is_spare = True
            # A statement that waits would keep its snapshot, and PostgreSQL could neither vacuum
            # nor build an index meanwhile.
            await asyncio.sleep(PAUSE_SECONDS)
        self.is_held = True

    async def kept(self) -> None:
        """Keep the lock over any time without PostgreSQL; return when another guard has it."""
        while self.is_held:
            if self._connection is not None:
                await self._broken(self._connection)
            self._connection = await self._connect()
            with contextlib.suppress(psycopg.Error):
                self.is_held = await self._try(self._connection)
                log.info("PostgreSQL is back")

    async def release(self) -> None:
        """Let another guard have the lock."""
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> Connection:
        settings, logged = self._settings, False
        await self.release()
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(
                    KEEPALIVE,
                    host=settings.host,
                    port=settings.port,
                    user=settings.guard_user,
                    password=settings.password,
                    dbname=settings.database,
                    sslmode=settings.sslmode,
                    connect_timeout=CONNECT_SECONDS,
                    application_name="resonate guard",
                    autocommit=True,
                )
                await _check_role(connection, settings.user)
            except psycopg.OperationalError as error:
                if not logged:
                    log.warning("PostgreSQL cannot be reached: %s", _words(error))
                logged = True
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return connection

    async def _broken(self, connection: Connection) -> None:
        """Return once the connection, and with it the lock, is lost."""
        try:
            while True:
                await _readable(connection.fileno())
                await connection.execute("SELECT 1")
        except psycopg.Error as error:
            log.warning("PostgreSQL lost: %s", _words(error))

    async def _try(self, connection: Connection) -> bool:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])).fetchone()
        return row == (True,)


async def _check_role(connection: Connection, user: str) -> None:
    """Raise `GuardError` unless PostgreSQL keeps a second server with this role away."""
    found = await connection.execute(
        "SELECT rolsuper, rolconnlimit FROM pg_roles WHERE rolname = %s", [user]
    )
    row = await found.fetchone()
    if row is None:
        raise GuardError(f"PostgreSQL has no role {user}: run roles.sql")
    is_superuser, limit = row
    if is_superuser:
        raise GuardError(
            f"the role {user} is a superuser, to which no limit of connections applies, so a second"
            " server could write to the same database: run roles.sql and use the role it makes"
        )
    if limit != 1:
        number = "any number of" if limit == -1 else limit
        raise GuardError(
            f"the role {user} may have {number} connections, so a second server could write to the"
            f" same database: ALTER ROLE {user} CONNECTION LIMIT 1"
        )


async def _readable(file: int) -> None:
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(file, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(file)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())

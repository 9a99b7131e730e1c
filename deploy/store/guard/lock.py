"""The advisory lock of PostgreSQL whose holder runs the server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
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

SESSION: Final = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = %s)"
"""Whether the server is connected; every role may see that."""

KEEPALIVE: Final = (
    "keepalives_idle=2 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=5000"
)
"""A PostgreSQL whose machine has vanished is noticed after 5 s, as PostgreSQL notices a guard's."""

AWAY_SECONDS: Final = 10.0
"""Seconds since PostgreSQL's last answer after which the lock is given up. PostgreSQL has freed it
by then, so that another server may be active; this one would only take connections from it."""

REFUSED_SECONDS: Final = 10.0
"""Seconds in which PostgreSQL refuses the password, after which the guard ends."""

REFUSAL: Final = "authentication failed"
"""What PostgreSQL says of a wrong password; a refused connection has no code."""

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks for the server's connection."""

MOST_UNSEEN: Final = 5
MOST_UNSEEN_AT_START: Final = 30
"""Looks in a row without a connection of the server, after which it is cut off. A server connects
again at once, unless it waits for an answer over a connection that PostgreSQL has forgotten."""

log = logging.getLogger("guard")


class Lock:
    """Is held by one guard of all."""

    def __init__(self, settings: GuardSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._answered = -AWAY_SECONDS
        self._refused: float | None = None
        self._unseen, self._seen = 0, False
        self.is_held = False
        """Whether this guard has the lock, as far as it is known."""

    @property
    def is_server_cut(self) -> bool:
        """Whether PostgreSQL answers the guard, and the server has no connection to it."""
        return self._unseen >= (MOST_UNSEEN if self._seen else MOST_UNSEEN_AT_START)

    @property
    def is_answered(self) -> bool:
        """Whether PostgreSQL has answered this guard lately, which gets the lock if it is free."""
        return time.monotonic() < self._answered + AWAY_SECONDS

    def expect_server(self) -> None:
        """Look for the connection of a new server."""
        self._unseen, self._seen = 0, False

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
        """Keep the lock while PostgreSQL is away for a moment.

        Returns when the lock is lost, to another guard or after `AWAY_SECONDS`, and when the server
        is cut off.
        """
        while self.is_held and not self.is_server_cut:
            if self._connection is not None:
                await self._broken(self._connection)
                if self.is_server_cut:
                    return
            try:
                async with asyncio.timeout(self._answered + AWAY_SECONDS - time.monotonic()):
                    self._connection = await self._connect()
            except TimeoutError:
                log.error("PostgreSQL is away for %g s; the lock is given up", AWAY_SECONDS)  # noqa: TRY400 - words
                self.is_held = False
                return
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
                    # A copy that only reads would give the lock to a second guard.
                    target_session_attrs="read-write",
                    autocommit=True,
                )
                await _check_role(connection, settings.user)
            except psycopg.OperationalError as error:
                self._check_refusal(error)
                if not logged:
                    log.warning("PostgreSQL cannot be reached: %s", _words(error))
                logged = True
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self._refused = None
                return connection

    def _check_refusal(self, error: psycopg.OperationalError) -> None:
        """Raise `GuardError` if PostgreSQL has refused the password for `REFUSED_SECONDS`."""
        now = time.monotonic()
        if REFUSAL not in str(error):
            self._refused = None
        elif self._refused is None:
            self._refused = now
        elif now > self._refused + REFUSED_SECONDS:
            raise GuardError(f"PostgreSQL refuses PGPASSWORD: {_words(error)}") from error

    async def _broken(self, connection: Connection) -> None:
        """Return once the connection, and with it the lock, is lost, or the server is cut off."""
        try:
            while not self.is_server_cut:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await _readable(connection.fileno())
                found = await connection.execute(SESSION, [self._settings.user])
                self._see(found=await found.fetchone() == (True,))
        except psycopg.Error as error:
            log.warning("PostgreSQL lost: %s", _words(error))

    def _see(self, *, found: bool) -> None:
        self._answered = time.monotonic()
        self._seen |= found
        self._unseen = 0 if found else self._unseen + 1

    async def _try(self, connection: Connection) -> bool:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])).fetchone()
        self._answered = time.monotonic()
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

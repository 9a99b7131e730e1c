"""SQL on the database behind a server, which is SQLite or PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from deploy.store import indexes
from tests.support.ports import free_port
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_SECONDS: Final = 60.0
POSTGRES_SQL: Final = Path(indexes.__file__).with_name("postgres.sql")
DEADLOCKS: Final = 5
"""Attempts at a transaction that meets the server's."""

USER: Final = "postgres"
"""PostgreSQL refuses to run as root, so then it runs as this user."""


class Store(Protocol):
    """A server's database."""

    @property
    def dialect(self) -> str: ...

    @property
    def flags(self) -> list[str]:
        """The server's flags for it, besides those that it has for a SQLite file."""

    def rows(self, query: str) -> list[list[str]]:
        """Return the rows of a query, each value as text."""

    def run(self, statements: str) -> None:
        """Run statements, in one transaction."""

    def index(self) -> None:
        """Add our indexes and triggers."""


class SqliteStore:
    """A SQLite file."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.flags: list[str] = []

    def rows(self, query: str) -> list[list[str]]:
        with closing(sqlite3.connect(self._path, timeout=LOCK_SECONDS)) as store:
            return [[str(value) for value in row] for row in store.execute(query)]

    def run(self, statements: str) -> None:
        with closing(sqlite3.connect(self._path, timeout=LOCK_SECONDS)) as store:
            store.executescript(f"BEGIN IMMEDIATE;{statements};COMMIT")

    def index(self) -> None:
        indexes.apply(self._path)


@dataclass
class PostgresStore:
    """A database of a PostgreSQL cluster of our own, which runs between `start` and `stop`."""

    programs: Path
    folder: Path
    user: str | None
    port: int
    dialect: str = "postgres"
    database: str = USER
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return once it answers."""
        address = ["-h", "127.0.0.1", f"-p{self.port}", "-k", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [f"{self.programs}/postgres", "-D", f"{self.folder}/data", *address],
                user=self.user,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, what="an answer of PostgreSQL")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it: SIGQUIT ends it at once, as a crash does. It ends its own processes."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def flags(self) -> list[str]:
        prefix = "--aio-store-postgres"
        return [
            f"{prefix}-enable=true",
            f"{prefix}-host=127.0.0.1",
            f"{prefix}-port={self.port}",
            f"{prefix}-username={USER}",
            f"{prefix}-password={USER}",
            f"{prefix}-database={self.database}",
            f"{prefix}-query=sslmode=disable",
        ]

    def rows(self, query: str) -> list[list[str]]:
        printed = self._psql("--tuples-only", "--no-align", "--field-separator=\t", command=query)
        return [line.split("\t") for line in printed.splitlines()]

    def run(self, statements: str) -> None:
        for left in reversed(range(DEADLOCKS)):
            try:
                self._psql("--single-transaction", command=statements)
            except RuntimeError as error:
                # The server runs, and locks rows in an order of its own.
                if "deadlock" not in str(error) or not left:
                    raise
            else:
                return

    def index(self) -> None:
        self._psql(command=POSTGRES_SQL.read_text())

    def _answers(self) -> bool:
        with contextlib.suppress(RuntimeError):
            return self.rows("SELECT 1") == [["1"]]
        return False

    def _psql(self, *options: str, command: str) -> str:
        program = ["psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", *options]
        address = ["--host=127.0.0.1", f"--port={self.port}", f"--username={USER}"]
        address.append(f"--dbname={self.database}")
        done = subprocess.run(
            [*program, *address], input=command, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None where it is not installed."""
    if shutil.which("psql") is None:
        return None
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@contextlib.contextmanager
def postgres() -> Iterator[PostgresStore]:
    """Run a PostgreSQL with its own settings, in a folder that is deleted at the end."""
    programs = postgres_programs()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed")
    user = USER if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        if user:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        made = [f"{programs}/initdb", f"--pgdata={data}", f"--username={USER}", "--auth=trust"]
        subprocess.run(made, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        store = PostgresStore(programs, Path(folder), user, free_port())
        try:
            store.start()
            yield store
        finally:
            store.stop()

"""Which workers of a group run, and which versions of functions they serve.

Each worker keeps an entry in the store while it runs:

    =worker=<group>=<pid>   a promise with the versions that the worker serves, as JSON; pending
                            until the worker stops in order, or is long dead
    alive.<pid>             a lock that the worker acquires again and again, and that lapses when
                            the worker is gone

So the last worker of a version knows that it is the last.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import orjson

from shared.log import get_logger
from shared.resonate import tags as tag
from shared.resonate.transport import Refused, Unanswered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from resonate.models.durable_promise import DurablePromise

    from shared.resonate.store import Store
    from shared.resonate.tasks import Locks

LOCK_MILLISECONDS: Final = 15_000
RENEW_SECONDS: Final = 5.0
"""The lock outlives two renewals that come to nothing."""

ENTRY_SECONDS: Final = 10 * 365 * 86400.0
"""Seconds until the server ends an entry by itself: longer than any worker runs."""

STALE_SECONDS: Final = 86400.0
"""Age from which the entry of a worker without a lock is removed. A worker that was frozen for a
while has no lock either, and goes on."""

LOOK_SECONDS: Final = 2.0
"""Seconds for which a worker that stops looks for executions of its versions, newest first."""

type Version = tuple[str, int]
"""A function's name and its version."""


class Roster:
    """The entry of this worker, and those of the others. Calls answer or fail fast."""

    def __init__(
        self, store: Store, locks: Locks, group: str, pid: str, serves: Mapping[str, Sequence[int]]
    ) -> None:
        self._promises = store.promises
        self._clock = store.transport.clock
        self._locks = locks
        self._group = group
        self._prefix = f"=worker={group}="
        self._pid = pid
        self._serves = {name: list(versions) for name, versions in serves.items()}
        self._closed = threading.Event()
        self._entered = False
        self._thread = threading.Thread(target=self._run, name="roster", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        """Enter this worker, once the server answers, and keep it entered."""
        self._thread.start()

    def leave(self) -> None:
        """Remove this worker, and warn if nobody else serves a version that is still needed."""
        self._closed.set()
        try:
            if self._entered:
                self._end(self._pid)
            last = self._versions(self._serves) - self._served_by_others()
            for function, version in sorted(self._needed(last)):
                self._log.warning(
                    "last worker of a version that is still needed",
                    function=function,
                    version=version,
                )
        except (Refused, Unanswered) as error:
            self._log.info("other workers not known", reason=str(error))

    def _run(self) -> None:
        while True:
            try:
                self._enter()
            except (Refused, Unanswered) as error:
                self._log.debug("worker not entered", reason=str(error))
            if self._closed.wait(RENEW_SECONDS):
                return

    def _enter(self) -> None:
        # By the group in place of its process id the store knows that this worker asks for offers.
        self._locks.acquire(f"alive.{self._pid}", self._pid, self._group, LOCK_MILLISECONDS)
        if not self._entered and not self._closed.is_set():
            id = f"{self._prefix}{self._pid}"
            ends = int((self._clock.time() + ENTRY_SECONDS) * 1000)
            data = orjson.dumps(self._serves).decode()
            self._promises.create(id, ends, ikey=id, data=data)
            self._entered = True

    def _end(self, pid: str) -> None:
        id = f"{self._prefix}{pid}"
        self._promises.resolve(id, ikey=id)

    def _served_by_others(self) -> set[Version]:
        served: set[Version] = set()
        for entry in self._others():
            pid = entry.id.removeprefix(self._prefix)
            if self._is_alive(pid):
                self._promises.values.fill_param(entry)  # many functions are a large value
                served |= self._versions(orjson.loads(entry.param.data or "{}"))
            elif self._clock.time() - entry.created_on / 1000 > STALE_SECONDS:
                self._end(pid)
        return served

    def _others(self) -> Iterator[DurablePromise]:
        """Yield the entries of other workers that have not stopped in order."""
        after: int | None = None
        while True:
            found, after = self._promises.search(
                f"{self._prefix}*", {}, state="pending", after=after
            )
            for entry in found:
                if entry.id.startswith(self._prefix) and entry.id != f"{self._prefix}{self._pid}":
                    yield entry
            if after is None:
                return

    def _is_alive(self, pid: str) -> bool:
        try:
            self._locks.acquire(f"alive.{pid}", f"{self._pid}-looking", self._pid, 1)
        except Refused:
            return True
        return False

    def _needed(self, versions: set[Version]) -> set[Version]:
        """Return those of the versions that a pending execution has, of the newest ones."""
        needed: set[Version] = set()
        end, after = time.monotonic() + LOOK_SECONDS, None
        while versions - needed and time.monotonic() < end:
            found, after = self._promises.search("*", {}, state="pending", after=after)
            for promise in found:
                version = promise.tags.get(tag.VERSION, "")
                if version.isdecimal():
                    needed |= {(promise.tags.get(tag.FUNCTION, ""), int(version))} & versions
            if after is None:
                break
        return needed

    @staticmethod
    def _versions(served: Mapping[str, Sequence[int]]) -> set[Version]:
        return {(name, version) for name, versions in served.items() for version in versions}

"""The connections to all gateways that are known."""

from __future__ import annotations

import contextlib
import random
import selectors
import time
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from worker.presence.link import Link

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from shared.presence import Address
    from worker.presence.addresses import Addresses

FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 2.0
"""Seconds between two attempts to connect: the first pause, doubled up to the longest."""

MOST_GATEWAYS: Final = 16
"""Connections that a worker keeps, at most."""

LASTING_SECONDS: Final = 1.0
"""Seconds after which a lost connection is made again at once; after less, pauses grow on."""

CONNECTING_SECONDS: Final = 2.0
"""Seconds in which a gateway must have welcomed this worker."""

REPORTED_AFTER_SECONDS: Final = 3.0
"""Seconds without a gateway before that is logged: gateways may be started after workers."""


class Links:
    """Keeps one link to each gateway. `turn` is called by one thread, again and again.

    `tell` is called with the `lock` held. `everything` returns what a gateway is to know, and is
    called with the lock held as well.
    """

    def __init__(
        self,
        addresses: Addresses,
        hello: bytes,
        lease_seconds: float,
        lock: threading.Lock,
        everything: Callable[[], bytes],
    ) -> None:
        self._addresses = addresses
        self._hello = hello
        self._lease_seconds = lease_seconds
        self._lock = lock
        self._everything = everything
        self._links: dict[Address, Link] = {}
        self._due: dict[Address, tuple[float, float]] = {}
        self._refusals: dict[Address, str] = {}
        self._selector = selectors.DefaultSelector()
        self._welcome_at = time.monotonic()
        self._is_reported: bool | None = None
        self._log = get_logger()

    def tell(self, line: bytes) -> None:
        """Send a line to all gateways."""
        for link in self._links.values():
            with contextlib.suppress(OSError):  # the next turn sees that it is broken
                link.tell(line)

    def turn(self, seconds: float) -> None:
        """Connect where that is due, and do what the connections have to do for so many seconds."""
        self._connect()
        with self._lock:
            for link in self._links.values():
                if link.behind:
                    with contextlib.suppress(OSError):
                        link.restate(self._everything)
                self._selector.modify(link.socket, link.wanted, link)
        for key, events in self._selector.select(seconds):
            self._handle(key.data, events)
        now = time.monotonic()
        for link in list(self._links.values()):
            if link.welcome is None and now - link.began_at > CONNECTING_SECONDS:
                self._drop(link, "no answer")
        self._report(now)

    def close(self) -> None:
        with self._lock:
            for link in self._links.values():
                link.close()
            self._links.clear()
        self._selector.close()

    def _connect(self) -> None:
        now = time.monotonic()
        current = self._addresses.current()
        self._forget_all_but(current)
        for address in current:
            due, pause = self._due.get(address, (now, FIRST_PAUSE))
            if address in self._links or now < due or len(self._links) >= MOST_GATEWAYS:
                continue
            self._put_off(address, pause)
            try:
                link = Link(address, self._hello)
            except OSError as error:
                self._log.debug("gateway not reached", address=address, reason=str(error))
                continue
            self._selector.register(link.socket, link.wanted, link)
            with self._lock:
                self._links[address] = link

    def _put_off(self, address: Address, pause: float) -> None:
        due = time.monotonic() + pause * (0.5 + random.random())  # noqa: S311 - jitter
        self._due[address] = due, min(2 * pause, LONGEST_PAUSE)

    def _handle(self, link: Link, events: int) -> None:
        was_welcome = link.welcome is not None
        try:
            if events & selectors.EVENT_WRITE:
                with self._lock:
                    link.flush(self._lease_seconds)
            if events & selectors.EVENT_READ:
                link.receive()
        except OSError as error:
            self._drop(link, str(error))
            return
        if link.welcome is not None and not was_welcome:
            self._refusals.pop(link.address, None)
            self._addresses.note_ports(link.address, link.welcome.ports)

    def _drop(self, link: Link, reason: str) -> None:
        with self._lock:
            del self._links[link.address]
        self._selector.unregister(link.socket)
        link.close()
        if link.refusal is not None:
            self._put_off(link.address, LONGEST_PAUSE)
            self._report_refusal(link.address, link.refusal)
            return
        self._log.debug("gateway lost", address=link.address, reason=reason)
        if link.welcome is not None and time.monotonic() - link.began_at > LASTING_SECONDS:
            self._due.pop(link.address, None)

    def _forget_all_but(self, addresses: Collection[Address]) -> None:
        for kept in (self._due, self._refusals):
            for address in kept.keys() - addresses:
                del kept[address]

    def _report_refusal(self, address: Address, reason: str) -> None:
        """Log a refusal once, not with every attempt."""
        if self._refusals.get(address) != reason:
            self._refusals[address] = reason
            self._log.warning(
                "gateway refuses this worker",
                gateway=f"{address.host}:{address.port}",
                reason=reason,
            )

    def _report(self, now: float) -> None:
        """Log once that there is no gateway, and once that there is one again."""
        if any(link.welcome is not None for link in self._links.values()):
            self._welcome_at = now
            if not self._is_reported:
                self._log.info("gateways see this worker")
            self._is_reported = True
        elif self._is_reported is not False and now - self._welcome_at > REPORTED_AFTER_SECONDS:
            self._is_reported = False
            self._log.warning(
                "no gateway sees this worker: at its death its executions wait for their leases"
            )

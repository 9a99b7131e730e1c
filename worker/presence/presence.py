"""Tells gateways what this worker holds, so that they notice its death at once.

1. A claim is told before the server is asked for it; that it is over, a moment later.
2. The worker dies: the kernel closes its connections. A gateway drops the claims that it was told
   of, so that the server offers the executions to other workers.
3. A gateway stops or dies: this worker connects again, and tells everything anew.

Nothing here waits for a gateway. Where none listens, or one does not take what it is told, the
death of a worker costs a lease.
"""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Final

from shared.log import get_logger
from shared.presence import (
    ALIVE_SECONDS,
    MOST_CLAIMS,
    MOST_OFFERS,
    OFFERS_PER_LINE,
    Alive,
    Claimed,
    Ended,
    Offers,
    Restated,
    Running,
    line_of,
)
from worker.presence.addresses import Addresses
from worker.presence.links import Links

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from shared.presence import Address, Hello, OfferName
    from worker.tasks.claims import Claim

TURN_SECONDS: Final = 0.1
"""Seconds between two looks at the inbox, and after which an end is told at the latest."""

CLOSING_SECONDS: Final = 1.0
"""Seconds that the last turn may take."""


class Presence:
    """Tells the gateways at the addresses `names`, if there are any, from `start` to `close`.

    `offers` returns the offers that wait in the inbox. Safe to use from any thread.
    """

    def __init__(
        self,
        names: Sequence[Address],
        hello: Hello,
        offers: Callable[[], Iterable[OfferName]],
        lease_seconds: float,
    ) -> None:
        self._names = names
        self._lock = threading.Lock()
        self._addresses = Addresses(names)
        self._links = Links(
            self._addresses, line_of(hello), lease_seconds, self._lock, self._everything
        )
        self._offers = offers
        self._claims: dict[str, tuple[Claimed, Running | None]] = {}
        self._later: list[bytes] = []
        self._alive_at = float("-inf")
        self._told_offers: set[OfferName] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._log = get_logger()

    def start(self) -> None:
        if not self._names:
            return
        self._addresses.start()
        self._thread.start()

    def close(self) -> None:
        """Say goodbye. What is still held is left to its leases."""
        self._closed.set()
        self._addresses.close()
        if self._names:
            self._thread.join(CLOSING_SECONDS)

    def is_alive(self) -> bool:
        return not self._names or (self._thread.is_alive() and self._addresses.is_alive())

    def claimed(self, claim: Claim) -> None:
        """Tell of a claim. Call it before the server is asked for it.

        Of far too many the newest are left to their leases: a gateway would refuse this worker.
        """
        told = Claimed(claim.task, claim.counter, claim.execution)
        with self._lock:
            if len(self._claims) >= MOST_CLAIMS:
                return
            self._claims[claim.key] = told, None
            self._later.append(line_of(told))
            self._tell_now()

    def running(self, claim: Claim) -> None:
        """Tell what runs under a claim, unless it is over; that nothing does, soon."""
        running = Running(
            task=claim.task,
            counter=claim.counter,
            attempt=claim.attempt,
            recovered_from=claim.recovered_from,
            step=claim.step,
            is_retried=claim.is_retried,
            reports=claim.progress is not None,
            function=claim.call.function if claim.call else "",
        )
        with self._lock:
            known = self._claims.get(claim.key)
            if known is None:
                return
            self._claims[claim.key] = known[0], running
            self._later.append(line_of(running))
            if running.step is not None:
                self._tell_now()

    def ended(self, claim: Claim) -> None:
        """Tell that a claim does not run here any more, with the next claim or soon."""
        with self._lock:
            if self._claims.pop(claim.key, None) is not None:
                self._later.append(line_of(Ended(claim.task, claim.counter)))

    def _tell_now(self) -> None:
        lines, self._later = self._later, []
        self._links.tell(b"".join(lines))

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._tell_rest()
                self._links.turn(TURN_SECONDS)
            except Exception:  # noqa: BLE001 - the next turn may do better
                self._log.exception("gateways not told")
                self._closed.wait(TURN_SECONDS)
        self._links.close()

    def _tell_rest(self) -> None:
        now = time.monotonic()
        offers = set(itertools.islice(self._offers(), MOST_OFFERS))
        with self._lock:
            before, self._told_offers = self._told_offers, offers
            self._later += _offer_lines(offers - before, before - offers)
            if now - self._alive_at >= ALIVE_SECONDS:
                self._alive_at = now
                self._later.append(line_of(Alive()))
            if self._later:
                self._tell_now()

    def _everything(self) -> bytes:
        return b"".join(self._all_lines())

    def _all_lines(self) -> Iterator[bytes]:
        yield line_of(Restated())
        for claim, running in self._claims.values():
            yield line_of(claim)
            if running is not None:
                yield line_of(running)
        yield from _offer_lines(self._told_offers, ())
        yield line_of(Restated(complete=True))


def _offer_lines(added: Collection[OfferName], removed: Collection[OfferName]) -> Iterator[bytes]:
    for some in itertools.batched(removed, OFFERS_PER_LINE, strict=False):
        yield line_of(Offers([], list(some)))
    for some in itertools.batched(added, OFFERS_PER_LINE, strict=False):
        yield line_of(Offers(list(some), []))

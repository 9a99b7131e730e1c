"""The workers that have a connection to this gateway, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.presence import MOST_CLAIMS, MOST_OFFERS, Claimed, Ended, Offers, Restated, Running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sized

    from shared.presence import Hello, OfferName

type ClaimName = tuple[str, int]
"""A claim's task and counter."""


class TooMuch(Exception):
    """A worker says that it holds more than any worker can."""


@dataclass(slots=True)
class Held:
    """A claim of a worker, and what runs under it as far as the worker has said."""

    execution: str
    running: Running | None = None


@dataclass(eq=False)
class Worker:
    """A worker, and what it has said since its connection was made."""

    hello: Hello
    claims: dict[ClaimName, Held] = field(default_factory=dict)
    offers: set[OfferName] = field(default_factory=set)
    connections: set[object] = field(default_factory=set)
    """The connections on which it speaks: several, where a gateway has several addresses."""

    _before: tuple[dict[ClaimName, Held], set[OfferName]] = field(
        default_factory=lambda: ({}, set())
    )

    @property
    def name(self) -> str:
        return self.hello.worker

    @property
    def pid(self) -> str:
        return self.hello.pid

    def hear(self, message: Restated | Claimed | Running | Ended | Offers) -> None:
        """Take a message into account. Raises `TooMuch`."""
        match message:
            case Claimed(task, counter, execution):
                self.claims[task, counter] = Held(execution)
                self._check(self.claims, self.offers)
            case Running(task, counter):
                held = self.claims.get((task, counter))
                if held is not None:
                    held.running = message
            case Ended(task, counter):
                self.claims.pop((task, counter), None)
            case Offers(added, removed):
                self.offers.difference_update(removed)
                self.offers.update(added)
                self._check(self.claims, self.offers)
            case Restated(complete=True):
                self._before = {}, set()
            case Restated():
                # What was not told anew before the connection broke off may still be held.
                claims, offers = self._before
                claims |= self.claims
                offers |= self.offers
                self.claims, self.offers = {}, set()
                self._check(claims, offers)

    def left(self) -> tuple[dict[ClaimName, str], list[OfferName]]:
        """Return all claims that it may have, with their executions, and all offers."""
        claims, offers = self._before
        held = {**claims, **self.claims}
        return {name: each.execution for name, each in held.items()}, list(offers | self.offers)

    @staticmethod
    def _check(claims: Sized, offers: Sized) -> None:
        if len(claims) > MOST_CLAIMS:
            raise TooMuch(f"more than {MOST_CLAIMS} claims")
        if len(offers) > MOST_OFFERS:
            raise TooMuch(f"more than {MOST_OFFERS} offers")


class Workers:
    """All workers that this gateway knows of, by their process ids."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, worker: Worker) -> bool:
        """Return whether it has not left; who comes again after that is another."""
        return self._workers.get(worker.pid) is worker

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def enter(self, hello: Hello) -> Worker:
        """Return the worker that says this; one that is known keeps what it has said before.

        So until it has said everything anew, it may hold what it held.
        """
        worker = self._workers.setdefault(hello.pid, Worker(hello))
        worker.hello = hello
        return worker

    def leave(self, worker: Worker) -> None:
        """Forget a worker."""
        if worker in self:
            del self._workers[worker.pid]

"""The workers that have a connection to this gateway, and what they hold."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gateway.model.activity import Activity
from shared.presence import (
    ALIVE_SECONDS,
    MOST_CLAIMS,
    MOST_OFFERS,
    Alive,
    Claimed,
    Ended,
    Offers,
    Restated,
    Running,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

    from gateway.presence.observer import Ending, Observer
    from shared.presence import Hello, OfferName

SILENT_SECONDS: Final = 2 * ALIVE_SECONDS
"""Seconds after which nothing is concluded from what a worker has said: it may be frozen, and its
executions with others. That is as old as an answer to a client may be."""

type ClaimName = tuple[str, int]
"""A claim's task and counter."""


class TooMuch(Exception):
    """A worker says that it holds more than any worker can."""


@dataclass(eq=False, slots=True)
class Held:
    """A claim of a worker, and what runs under it if that takes longer than a moment."""

    worker: Worker
    name: ClaimName
    execution: str
    running: Running | None = None
    told_at: float = field(default_factory=time.monotonic)

    @property
    def is_first(self) -> bool:
        """Whether nobody has held the execution before."""
        task, counter = self.name
        return counter == 1 and task.startswith("__invoke:")


class Worker:
    """A worker, and what it has said since it was entered.

    `holders` has the latest claim of each execution, of all workers; `observers` are told of what
    is new in what it says.
    """

    def __init__(
        self, hello: Hello, holders: dict[str, Held], observers: Sequence[Observer] = ()
    ) -> None:
        self.hello = hello
        self.connections: set[object] = set()
        """The connections on which it speaks: several, where a gateway has several addresses."""
        self.heard_at = time.monotonic()
        self.claims: dict[ClaimName, Held] = {}
        self.offers: set[OfferName] = set()
        self._before: tuple[dict[ClaimName, Held], set[OfferName]] = {}, set()
        self._holders = holders
        self._observers = observers

    @property
    def name(self) -> str:
        return self.hello.worker

    @property
    def pid(self) -> str:
        return self.hello.pid

    def is_silent(self) -> bool:
        """Return whether what it has said may be out of date."""
        return not self.connections or time.monotonic() - self.heard_at > SILENT_SECONDS

    def hear(self, message: Restated | Claimed | Running | Ended | Offers | Alive) -> None:
        """Take a message into account. Raises `TooMuch`."""
        match message:
            case Claimed(task, counter, execution):
                self._claim((task, counter), execution)
            case Running(task, counter):
                held = self.claims.get((task, counter))
                if held is not None and held.running != message:
                    held.running = message
                    for observer in self._observers:
                        observer.ran(held)
            case Ended(task, counter):
                held = self.claims.pop((task, counter), None)
                if held is not None:
                    self._end(held)
            case Offers(added, removed):
                self.offers.difference_update(removed)
                self.offers.update(added)
                self._check(self.claims, self.offers)
            case Restated(complete):
                self._restate(complete=complete)
            case Alive():
                pass

    def left(self) -> tuple[dict[ClaimName, str], list[OfferName]]:
        """Return all claims that it may have, with their executions, and all offers."""
        claims, offers = self._before
        held = {**claims, **self.claims}
        return {name: each.execution for name, each in held.items()}, list(offers | self.offers)

    def leave(self) -> None:
        """Forget what it holds."""
        for held in self.held():
            self._forget(held)

    def held(self) -> list[Held]:
        """Return all claims that it may have."""
        return list({**self._before[0], **self.claims}.values())

    def latest_claim_of(self, execution: str) -> Held | None:
        """Return the latest claim of an execution that any worker has told of."""
        return self._holders.get(execution)

    def _claim(self, name: ClaimName, execution: str) -> None:
        if name in self.claims:  # told on another connection before
            return
        known = self._before[0].get(name)  # told before the connection broke off
        held = self.claims[name] = known or Held(self, name, execution)
        self._check(self.claims, self.offers)
        latest = self._holders.get(execution)
        if known is None:
            for observer in self._observers:
                observer.claimed(held, latest)
        # A worker that was cut off for a while tells of what others have claimed since then.
        if latest is None or latest.name[0] != name[0] or latest.name[1] <= name[1]:
            self._holders[execution] = held

    def _restate(self, *, complete: bool) -> None:
        if complete:
            over = [held for name, held in self._before[0].items() if name not in self.claims]
            self._before = {}, set()
            for held in over:
                self._end(held)
        else:
            # What was not told anew before the connection broke off may still be held.
            claims, offers = self._before
            claims |= self.claims
            offers |= self.offers
            self.claims, self.offers = {}, set()
            self._check(claims, offers)

    def _end(self, held: Held) -> None:
        self._forget(held)
        for observer in self._observers:
            observer.ended(held)

    def _forget(self, held: Held) -> None:
        if self._holders.get(held.execution) is held:
            del self._holders[held.execution]

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
        self._holders: dict[str, Held] = {}
        self.observers: list[Observer] = []

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, worker: Worker) -> bool:
        """Return whether it has not left; who comes again after that is another."""
        return self._workers.get(worker.pid) is worker

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def enter(self, hello: Hello) -> Worker:
        """Return the worker that says this; one that is known keeps what it has said before.

        So until it has said everything anew, it may hold what it held.
        """
        worker = self._workers.setdefault(hello.pid, Worker(hello, self._holders, self.observers))
        worker.hello = hello
        for observer in self.observers:
            observer.entered(worker)
        return worker

    def leave(self, worker: Worker, ending: Ending = "stopped", at: float | None = None) -> None:
        """Forget a worker, which has ended at a moment of the monotonic clock, or now."""
        if worker in self:
            del self._workers[worker.pid]
            for observer in self.observers:
                observer.left(worker, ending, time.monotonic() if at is None else at)
            worker.leave()

    def activity_of(self, execution: str) -> Activity | None:
        """Return what an execution is doing, if a worker has said so and speaks.

        Reports and failed tries, which are in the store, are left out.
        """
        held = self._holders.get(execution)
        if held is None or held.worker.is_silent():
            return None
        running = held.running
        if running is not None:
            return Activity(
                held.worker.name,
                running.attempt,
                running.recovered_from,
                running.step,
                is_retried=running.is_retried,
            )
        return Activity(held.worker.name, attempt=1, recovered_from=None) if held.is_first else None

    def whole_activity_of(self, execution: str) -> Activity | None:
        """Return the same, if there is nothing more about it in the store."""
        held = self._holders.get(execution)
        if held is None or not held.is_first:
            return None
        if held.running is not None and (held.running.is_retried or held.running.reports):
            return None
        return self.activity_of(execution)

"""All attacks at once: each kind in a thread of its own, one bout after the other.

What a bout sends and how long it rests depend on the seed and the kind's name only, so that a kind
does the same alone as among all others.

The pace, `every` of a kind, is set so that all attackers together take a tenth of a core, and the
work that they order about one: a machine of two cores then has room for healthy work, and what is
measured is whether the service keeps the two apart. A poison comes seldom, since each ends five
workers by design, and a healthy execution that ran there waits for its lease to end.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.support.faults.attacks import connections, outside, requests, searches, steps
from tests.support.faults.attacks.attack import Bout
from tests.support.faults.attacks.client import Broken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.faults.attacks.attack import Attack
    from tests.support.faults.attacks.client import Target

ATTACKS: Final = (
    *requests.ATTACKS,
    *connections.ATTACKS,
    *searches.ATTACKS,
    *steps.ATTACKS,
    *outside.ATTACKS,
)
REST: Final = (0.7, 1.3)
"""Factors of the time between two bouts of a kind."""

END_SECONDS: Final = 60.0
"""Seconds for bouts to notice that the run is over."""


def named(name: str) -> Attack:
    """Return the attack with this name."""
    (found,) = (attack for attack in ATTACKS if attack.name == name)
    return found


def chosen(names: str = os.environ.get("FAULTS_ATTACKS", "")) -> Sequence[Attack]:
    """Return the attacks with these names, separated by commas; all if there are none."""
    wanted = set(filter(None, names.split(",")))
    unknown = wanted - {attack.name for attack in ATTACKS}
    if unknown:
        raise ValueError(f"no such attacks: {', '.join(sorted(unknown))}")
    return [attack for attack in ATTACKS if not wanted or attack.name in wanted]


@dataclass
class Campaign:
    """Runs bouts, counts them, and keeps what they have seen broken."""

    target: Target
    seed: int
    bouts: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def run_bout(self, attack: Attack, chance: random.Random) -> None:
        """Run one bout, and cancel what it has left running."""
        self.bouts[attack.name] += 1
        prefix = f"{attack.name}-{self.bouts[attack.name]}"
        bout = Bout(self.target, chance, prefix)
        try:
            attack.bout(bout)
        except Broken as error:
            self.broken.append(f"{attack.name}: {error}")
        except Exception as error:  # noqa: BLE001 - the verdict names it
            self.broken.append(f"{attack.name}: the bout failed with {error!r}")
        finally:
            bout.close()
            self.unanswered[attack.name] += bout.unanswered

    def _repeat(self, attack: Attack) -> None:
        chance = random.Random(f"{self.seed}-{attack.name}")
        over = self.target.over
        over.wait(chance.uniform(0, min(attack.every, 3)))
        while not over.is_set():
            next_at = time.monotonic() + attack.every * chance.uniform(*REST)
            self.run_bout(attack, chance)
            over.wait(max(0.0, next_at - time.monotonic()))

    def launch(self, attack: Attack, chance: random.Random) -> None:
        """Run one bout beside what goes on, unless one of its kind does; `join` waits for all."""
        if not any(thread.name == attack.name for thread in self._alive()):
            thread = threading.Thread(target=self.run_bout, args=(attack, chance), name=attack.name)
            self._threads.append(thread)
            thread.start()

    def _alive(self) -> list[threading.Thread]:
        return [thread for thread in self._threads if thread.is_alive()]

    def join(self) -> None:
        """End all bouts, and name those that do not end."""
        self.target.over.set()
        end = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self.broken += [f"{thread.name}: its last bout did not end" for thread in self._alive()]

    @contextmanager
    def under_way(self, attacks: Sequence[Attack]) -> Iterator[None]:
        """Attack until the block ends."""
        for attack in attacks:
            thread = threading.Thread(target=self._repeat, args=(attack,), name=attack.name)
            self._threads.append(thread)
            thread.start()
        try:
            yield
        finally:
            self.join()

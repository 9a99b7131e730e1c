"""Who may call a receiver, and who has to come back."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

from worker.webhooks.limits import PATIENCE_SECONDS, ReceiverLimits


def test_one_receiver_has_a_quarter_and_all_have_half() -> None:
    """Of eight slots two wait for the same receiver, four for any, and the others for none."""
    receivers = ReceiverLimits(8)
    with ExitStack() as held:
        for host in ("a", "a", "b", "c"):
            assert held.enter_context(receivers.place(host))
        began = time.monotonic()

        with receivers.place("a") as same, receivers.place("d") as other:
            assert (same, other) == (False, False)
        assert time.monotonic() - began >= PATIENCE_SECONDS
    with receivers.place("d") as free:
        assert free


def test_there_is_always_one_place() -> None:
    """A worker with one slot calls receivers too."""
    with ReceiverLimits(1).place("a") as mine:
        assert mine


def test_who_waits_has_the_next_place() -> None:
    """A place that becomes free soon is waited for."""
    receivers, had = ReceiverLimits(1), []

    def wait() -> None:
        with receivers.place("a") as mine:
            had.append(mine)

    waiting = threading.Thread(target=wait)
    with receivers.place("a"):
        waiting.start()
        waiting.join(0.1)
        assert had == []
    waiting.join(5)

    assert had == [True]


def test_nobody_waits_for_the_slow() -> None:
    """Once a call lasts for long, the next one is told at once to come back."""
    receivers = ReceiverLimits(1)
    with receivers.place("a"), receivers.place("a") as late:
        assert not late
        began = time.monotonic()
        with receivers.place("a") as later:
            assert not later
        assert time.monotonic() - began < PATIENCE_SECONDS / 2

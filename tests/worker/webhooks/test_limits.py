"""Places for calls to receivers of webhooks."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

from worker.webhooks.limits import PATIENCE_SECONDS, ReceiverLimits


def test_one_receiver_has_a_quarter_and_all_have_half() -> None:
    """Of eight slots two may call the same receiver, and four may call any receiver."""
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
    """A worker with one slot may call a receiver too."""
    with ReceiverLimits(1).place("a") as free:
        assert free


def test_a_free_place_goes_to_a_waiting_call() -> None:
    """A call waits for a place that is soon free."""
    receivers, had = ReceiverLimits(1), []

    def wait() -> None:
        with receivers.place("a") as free:
            had.append(free)

    waiting = threading.Thread(target=wait)
    with receivers.place("a"):
        waiting.start()
        waiting.join(0.1)
        assert had == []
    waiting.join(5)

    assert had == [True]


def test_no_call_waits_for_slow_ones() -> None:
    """When the calls in the way are slow, a place is refused without waiting."""
    receivers = ReceiverLimits(1)
    with receivers.place("a"), receivers.place("a") as late:
        assert not late
        began = time.monotonic()
        with receivers.place("a") as later:
            assert not later
        assert time.monotonic() - began < PATIENCE_SECONDS / 2

"""What a worker holds at the moment of a scrape: read then, and kept by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.metrics import Meter
    from worker.slots.parts import SharedParts
    from worker.slots.slot import Slot
    from worker.tasks.board import Board
    from worker.tasks.rebalancing import Watched


def read_gauges(
    meter: Meter,
    parts: SharedParts,
    slots: Sequence[Slot],
    board: Board,
    watched: Watched,
) -> None:
    """Have a meter read the parts of a worker; `watched` are tasks that it has passed on."""
    _read_slots(meter, parts, slots)
    _read_offers(meter, parts, watched)
    _read_leases(meter, parts, board)


def _read_slots(meter: Meter, parts: SharedParts, slots: Sequence[Slot]) -> None:
    meter.read_gauge(
        "durable_http_worker_slots", "Executions that may run here at once.", lambda: len(slots)
    )
    meter.read_gauge(
        "durable_http_worker_slots_busy",
        "Executions that run here.",
        lambda: sum(slot.claim is not None for slot in slots),
    )
    meter.read_gauge(
        "durable_http_worker_threads_left_behind",
        "Threads in users' code that nobody waits for any more.",
        parts.calls.left_behind,
    )
    meter.read_count(
        "durable_http_worker_blocked_total",
        "Executions found blocked, counted again at each new try of one that stays so.",
        lambda: parts.blocked.count,
    )
    meter.read_count(
        "durable_http_worker_lost_workers_failures_total",
        "Executions and steps that failed with WorkerLost: they had ended too many workers.",
        lambda: parts.suspects.found,
    )


def _read_offers(meter: Meter, parts: SharedParts, watched: Watched) -> None:
    inbox = parts.inbox

    def age() -> float:
        waiting = [*inbox.waiting(), watched.oldest()]
        # By the server's clock, which has made the times; 0 is a time that it has not told.
        times = [offer.created_at for offer in waiting if offer and offer.created_at]
        return max(0.0, parts.transport.clock.time() - min(times) / 1000) if times else 0.0

    meter.read_gauge(
        "durable_http_worker_offers",
        "Executions that wait in this worker's inbox for a slot.",
        lambda: len(inbox),
    )
    meter.read_gauge(
        "durable_http_worker_oldest_offer_age_seconds",
        "Time for which the oldest execution that waits for a slot has been due, 0 without one.",
        age,
    )
    meter.read_count(
        "durable_http_worker_offers_received_total",
        "Offers that have come, repeated ones too.",
        lambda: inbox.received,
    )


def _read_leases(meter: Meter, parts: SharedParts, board: Board) -> None:
    meter.read_gauge(
        "durable_http_worker_claims_held",
        "Claims for which this worker renews its leases.",
        lambda: board.held,
    )
    meter.read_gauge(
        "durable_http_worker_leases_overdue_seconds",
        "Time since claims were last renewed, 0 if none is held.",
        lambda: max(0.0, parts.leases.overdue()),
    )
    meter.read_count(
        "durable_http_worker_lease_renewal_failures_total",
        "Renewals of all leases that the server did not acknowledge.",
        lambda: board.failures,
    )

"""An order: five steps with idempotency keys, undone in reverse when a later one fails."""

import time
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from durable_http import Context, NonRetryableError, Step, StepFailed, Workflow, function


class Order(Struct, forbid_unknown_fields=True):
    """The seconds that each step takes, and the name of the step that fails for good."""

    pace: Annotated[float, Meta(ge=0, le=60)] = 1.0
    fail: Literal["reserve", "charge", "pack", "ship", "notify"] | None = None


class Declined(NonRetryableError):
    """The service behind a step has declined; another attempt would get the same answer."""


@function
def checkout(context: Context, order: Order | None) -> Workflow[dict[str, Any]]:
    """Reserves, charges, packs, ships and notifies; on failure it undoes the finished steps."""
    order = order or Order()
    receipts: dict[str, str] = {}
    try:
        for step, _ in STEPS:
            receipts[step.__name__] = yield context.step(step, order.pace, order.fail)
    except StepFailed:
        for step, undo in reversed(STEPS):
            if undo is not None and step.__name__ in receipts:
                yield context.step(undo, receipts[step.__name__])
        raise
    return {"order": context.id, "receipts": receipts}


def reserve(step: Step, pace: float, fail: str | None) -> str:
    """Set the goods aside."""
    return _call_service(step, pace, fail)


def charge(step: Step, pace: float, fail: str | None) -> str:
    """Take the money."""
    return _call_service(step, pace, fail)


def pack(step: Step, pace: float, fail: str | None) -> str:
    """Put the goods in a box."""
    return _call_service(step, pace, fail)


def ship(step: Step, pace: float, fail: str | None) -> str:
    """Hand the box to the carrier."""
    return _call_service(step, pace, fail)


def notify(step: Step, pace: float, fail: str | None) -> str:
    """Notify the customer."""
    return _call_service(step, pace, fail)


def release(step: Step, receipt: str) -> str:
    """Undo `reserve`."""
    return f"{step.name} {receipt}"


def refund(step: Step, receipt: str) -> str:
    """Undo `charge`."""
    return f"{step.name} {receipt}"


def unpack(step: Step, receipt: str) -> str:
    """Undo `pack`."""
    return f"{step.name} {receipt}"


def recall(step: Step, receipt: str) -> str:
    """Undo `ship`."""
    return f"{step.name} {receipt}"


STEPS: Final[tuple[tuple[Callable[..., str], Callable[..., str] | None], ...]] = (
    (reserve, release),
    (charge, refund),
    (pack, unpack),
    (ship, recall),
    (notify, None),
)
"""Each step with the function that undoes it; a notification cannot be undone."""


def _call_service(step: Step, pace: float, fail: str | None) -> str:
    """Stand in for a call of another service, with the step's idempotency key."""
    time.sleep(pace)
    if step.name == fail:
        raise Declined(f"{step.name} was declined")
    return f"{step.name}-{step.idempotency_key}"

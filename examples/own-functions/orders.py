"""An order: charge the customer, ship the goods, and pay back what cannot be shipped."""

import time
from typing import Annotated, Final

from msgspec import Meta, Struct

from durable_http import Context, NonRetryableError, Step, StepFailed, Workflow, function

DAY: Final = 24 * 3600


class Order(Struct, forbid_unknown_fields=True):
    """What clients send."""

    item: Annotated[str, Meta(min_length=1, max_length=100)]
    cents: Annotated[int, Meta(gt=0)]


class Delivery(Struct):
    """What clients get."""

    receipt: str
    parcel: str


class OutOfStock(NonRetryableError):
    """Another attempt would find no goods either."""


class Refused(Exception):
    """Nobody has approved of the order."""


@function(signals=["approval"], timeout=8 * DAY)
def order(context: Context, order: Order) -> Workflow[Delivery]:
    """Charges and ships an order; one of more than 1000.00 needs the signal `approval`."""
    if order.cents > 1000_00:
        approved = yield context.signal("approval", timeout=7 * DAY)
        if approved is not True:
            raise Refused(order.item)
    receipt = yield context.step(charge, order.cents)
    try:
        parcel = yield context.step(ship, order.item)
    except StepFailed:
        yield context.step(refund, receipt)
        raise
    return Delivery(receipt, parcel)


def charge(step: Step, cents: int) -> str:
    """Take the money; the key keeps the payment service from taking it twice."""
    step.log.info("charging", cents=cents)
    return f"receipt-{step.idempotency_key}"


def ship(step: Step, item: str) -> str:
    """Hand the goods to the carrier."""
    if item == "moon":
        raise OutOfStock(item)
    time.sleep(1)  # stands for the call of a service
    return f"parcel-{step.idempotency_key}"


def refund(step: Step, receipt: str) -> None:
    """Pay back what `charge` has taken."""
    step.log.info("paying back", receipt=receipt)

"""`Ledger`: a service that does each thing once per idempotency key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_http import function
from durable_http.testing import Ledger, run

if TYPE_CHECKING:
    from durable_http import Context, Step, Workflow

ledger = Ledger()


def pay(step: Step, *totals: int) -> None:
    """Pay one total after the other, with one key."""
    for total in totals:
        ledger.record(step, total)


@function
def paying(context: Context, totals: list[list[int]]) -> Workflow[None]:
    """Pay in one step each."""
    for each in totals:
        yield context.step(pay, *each)


def test_a_key_has_one_effect() -> None:
    """A repeated request has no second effect."""
    ledger.clear()
    run(paying, [[5, 5], [5], [7]])

    assert ledger.effects == [5, 5, 7]
    assert ledger.requests == ["test-1.1", "test-1.1", "test-1.2", "test-1.3"]


def test_a_key_has_no_other_effect() -> None:
    """Another request under the same key is an error, which names both."""
    ledger.clear()
    error = run(paying, [[5, 7]]).error

    assert str(error) == "the key test-1.1 of pay was used for 5 and for 7"

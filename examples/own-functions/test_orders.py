"""Orders, tested in memory: no server is needed, and waits take no time."""

from durable_http import Step, StepFailed
from durable_http.testing import Ledger, Outcome, after, crash_everywhere, run
from orders import Delivery, Refused, charge, order, ship

SMALL = {"item": "tea", "cents": 500}
LARGE = {"item": "piano", "cents": 500_000}


def test_an_order_is_charged_and_shipped() -> None:
    outcome = run(order, SMALL, steps={charge: "r-1", ship: "p-1"})

    assert outcome.result == Delivery("r-1", "p-1")
    assert [step.name for step in outcome.steps] == ["charge", "ship"]


def test_what_cannot_be_shipped_is_paid_back() -> None:
    outcome = run(order, SMALL | {"item": "moon"}, steps={charge: "r-1"})

    assert isinstance(outcome.error, StepFailed)
    assert outcome.step("refund").arguments == ("r-1",)


def test_a_carrier_that_is_down_for_a_moment_is_asked_again() -> None:
    outcome = run(order, SMALL, steps={ship: "p-1"}, fail={ship: [ConnectionError("down")]})

    assert outcome.status == "resolved"
    assert outcome.step("ship").attempts == 2


def test_a_large_order_waits_for_an_approval() -> None:
    signals = {"approval": [after(3 * 24 * 3600, True)]}
    outcome = run(order, LARGE, steps={ship: "p-1"}, signals=signals)

    assert outcome.status == "resolved"
    assert outcome.clock >= 3 * 24 * 3600


def test_a_large_order_is_refused() -> None:
    outcome = run(order, LARGE, signals={"approval": [False]})

    assert isinstance(outcome.error, Refused)
    assert outcome.steps == ()


def test_a_worker_may_die_at_any_moment() -> None:
    bank = Ledger()

    def take(step: Step, cents: int) -> str:
        bank.record(step, cents)
        return f"receipt-{step.idempotency_key}"

    def once(outcome: Outcome) -> None:
        assert outcome.result == Delivery("receipt-test-1.1", "p-1")
        assert bank.effects == [500]

    report = crash_everywhere(
        order, SMALL, steps={charge: take, ship: "p-1"}, setup=bank.clear, check=once
    )

    assert len(report.moments) > 4

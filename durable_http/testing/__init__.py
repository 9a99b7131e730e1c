"""Tests of durable functions without a server: in memory, in virtual time.

`run` runs a function to its end, and runs it again from its first line at each wait, as workers do.
Steps run for real or are replaced:

    def test_an_approved_order_is_charged() -> None:
        outcome = run(
            order,
            {"total": 5},
            steps={charge: "receipt-1"},
            signals={"approval": [after(timedelta(days=3), value=True)]},
        )
        assert outcome.result == {"receipt": "receipt-1"}
        assert outcome.step("charge").arguments == (5,)

`crash_everywhere` lets the worker die at each moment. `Ledger` stands for a service that knows
idempotency keys:

    def test_an_order_is_charged_once_wherever_a_worker_dies() -> None:
        ledger = Ledger()

        def fake_charge(step: Step, total: int) -> str:
            ledger.record(step, total)
            return f"receipt-{step.idempotency_key}"

        def check(outcome: Outcome) -> None:
            assert ledger.effects == [5]

        crash_everywhere(
            order,
            {"total": 5},
            setup=ledger.clear,
            check=check,
            steps={charge: fake_charge},
            signals={"approval": [True]},
        )

A `History` shows whether a changed function can go on with executions that have begun. It is
written as text with `run(order, ..., stop_at="signal approval").history.to_json()`, before the
change, and read by the test of the changed function:

    def test_orders_that_wait_for_approval_go_on() -> None:
        outcome = run(
            order,
            history=History.from_json(Path("order-1.json").read_text()),
            steps={charge: "receipt-1"},
            signals={"approval": [True]},
        )
        assert outcome.status == "resolved"
"""

from durable_http.testing.crashes import CrashReport, crash_everywhere
from durable_http.testing.errors import (
    CrashFailure,
    NonDeterministic,
    TooManyParts,
    Unfinished,
    UnknownChild,
)
from durable_http.testing.ledger import Ledger
from durable_http.testing.outcome import Outcome, StepOutcome
from durable_http.testing.running import Scenario, after, run
from durable_http.testing.simulation.histories import History
from durable_http.testing.simulation.store import LogLine

__all__ = [
    "CrashFailure",
    "CrashReport",
    "History",
    "Ledger",
    "LogLine",
    "NonDeterministic",
    "Outcome",
    "Scenario",
    "StepOutcome",
    "TooManyParts",
    "Unfinished",
    "UnknownChild",
    "after",
    "crash_everywhere",
    "run",
]

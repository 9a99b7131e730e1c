"""`Ledger`: stands for a service that does each thing once per idempotency key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durable_http.testing.simulation.compare import same, shown

if TYPE_CHECKING:
    from durable_http.step import Step


class Ledger:
    """The effects that steps have had on a service, such as payments, by idempotency key.

    A fake of a step records its effect, and answers what depends on nothing but its key:

        ledger = Ledger()

        def charge(step: Step, total: float) -> str:
            ledger.record(step, total)
            return f"receipt-{step.idempotency_key}"

    `requests` are the keys of all requests, with those that were repeated.
    """

    def __init__(self) -> None:
        self._effects: dict[str, Any] = {}
        self.requests: list[str] = []

    def record(self, step: Step, effect: Any) -> None:
        """Record an effect, unless its key has it already.

        Raises `AssertionError` if the key has another effect.
        """
        key = step.idempotency_key
        self.requests.append(key)
        first = self._effects.setdefault(key, effect)
        if not same(first, effect):
            raise AssertionError(
                f"the key {key} of {step.name} was used for {shown(first)} and for {shown(effect)}"
            )

    @property
    def effects(self) -> list[Any]:
        """The effects, each once, in order."""
        return list(self._effects.values())

    def clear(self) -> None:
        """Forget everything, before another run."""
        self._effects.clear()
        self.requests.clear()

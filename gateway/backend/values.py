"""Reads the large values of executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.errors import ValueLost
from gateway.model.execution import with_values
from shared.log import get_logger
from shared.resonate import large_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.backend.ask import Ask
    from gateway.model.execution import Execution
    from shared.resonate.transport import Transport

LOST: Final = "A value of this execution is missing in the store, or damaged."


class ValueReader:
    """Reads the values of which executions have only a reference, with calls by `ask`."""

    def __init__(self, transport: Transport, ask: Ask) -> None:
        self._values = large_values.LargeValues(transport)
        self._ask = ask

    async def made_of[T](
        self, execution: Execution, make: Callable[[Execution], T], *, with_input: bool = False
    ) -> T:
        """Return what a thread makes of the execution with its result, and its input if wanted.

        The caller must have room for them. Raises `ValueLost`, or `BackendUnavailable`.
        """
        return await self._ask(self._made_of, execution, make, with_input)

    def _made_of[T](
        self,
        execution: Execution,
        make: Callable[[Execution], T],
        with_input: bool,  # noqa: FBT001 - called through a thread
    ) -> T:
        try:
            whole = with_values(execution, self._values.read, with_input=with_input)
        except (large_values.ValueLost, ValueError) as error:
            get_logger().error("value lost", execution=execution.id, reason=str(error))
            raise ValueLost(LOST, id=execution.id) from error
        return make(whole)

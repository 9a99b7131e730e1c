"""Numbers the parts of an execution, and finds what differs from those that are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durable_http.commands import THE_END, BeginChild, CallChild, part_of
from durable_http.testing.errors import NonDeterministic
from durable_http.testing.simulation.compare import details, same, shown
from durable_http.testing.simulation.store import Part
from durable_http.values import json_of

if TYPE_CHECKING:
    from durable_http.commands import Changed, Command
    from durable_http.testing.simulation.simulation import Simulation
    from durable_http.testing.simulation.store import Execution


class Numbering:
    """The parts of one execution in the order in which its body asks for them."""

    def __init__(self, simulation: Simulation, execution: Execution) -> None:
        self._simulation = simulation
        self._execution = execution
        self._position = 0
        self._complete = False

    def restart(self, *, complete: bool) -> None:
        """Begin with the first part again. Once the parts are complete there must be no other."""
        self._position = 0
        self._complete = complete

    def is_before(self, change: Changed) -> bool:
        part = self._execution.parts.get(self._position + 1)
        return part is not None and part.name != part_of(change)

    def next(self, command: Command) -> Part:
        """Return the part that a command asks for. Raises `NonDeterministic` if it is another."""
        if isinstance(command, BeginChild | CallChild):
            child = command.child if isinstance(command, CallChild) else command
            json_of(
                child.input, self._simulation.max_result_bytes, f"the input of {child.function}"
            )
        number, name = self._position + 1, part_of(command)
        part = self._execution.parts.get(number)
        if part is None:
            part = self._new(number, name, command)
        elif part.name != name:
            raise self._other(part.name, name, number)
        elif part.command is not None:
            self._compare(part, part.command, command)
        part.command = command
        self._position = number
        return part

    def _new(self, number: int, name: str, command: Command) -> Part:
        if self._complete:
            raise self._other(THE_END, name, number)
        part = Part(number, name, command)
        self._simulation.moment(f"right before {part} of {self._execution.id}")
        self._simulation.count_part(self._execution.id)
        self._execution.parts[number] = part
        return part

    def _other(self, expected: str, found: str, number: int) -> NonDeterministic:
        return NonDeterministic(
            f"expected {expected}, found {found} at part {number} of {self._execution.id}"
        )

    def _compare(self, part: Part, before: Command, command: Command) -> None:
        what, old = details(before)
        new = details(command)[1]
        if not same(old, new):
            raise NonDeterministic(
                f"{part} of {self._execution.id} was given other {what} when the function ran "
                f"again: {shown(new)}, before {shown(old)}"
            )

    def check_end(self) -> None:
        """Raise `NonDeterministic` if there are parts that the body has not asked for."""
        left = self._execution.parts.get(self._position + 1)
        if left is not None:
            raise self._other(left.name, THE_END, left.number)

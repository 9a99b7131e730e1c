"""What a test puts in the place of steps and children."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from durable_http.declarations.definition import ATTRIBUTE, Definition, definition_of
from durable_http.declarations.loading import newest
from durable_http.declarations.registered import declared_in
from durable_http.testing.errors import UnknownChild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from durable_http.commands import RunStep
    from durable_http.step import Step

type Target = str | Callable[..., Any]
"""A step, by its name or its function, or a child, by the name or the function it runs."""

REAL: Final = object()


@dataclass
class Fakes:
    """Replacements, and the failures that are still to come."""

    steps: Mapping[Target, Any] = field(default_factory=dict)
    children: Mapping[Target, Any] = field(default_factory=dict)
    fail: Mapping[Target, Sequence[BaseException | type[BaseException]]] = field(
        default_factory=dict
    )
    _failed: dict[int, int] = field(default_factory=dict)

    def call_step(self, command: RunStep, step: Step, arguments: tuple[Any, ...]) -> Any:
        """Make one attempt of a step, real or replaced."""
        self._raise_failure(command)
        fake = _found(self.steps, command.function, command.name)
        if fake is REAL:
            return command.function(step, *arguments)
        _raise_if_error(fake)
        return fake(step, *arguments) if callable(fake) else fake

    def failures_raised(self, command: RunStep) -> int:
        """Return how many of a step's failures have been raised."""
        return self._failed.get(id(self._failures(command)), 0)

    def raise_again(self, command: RunStep, raised: int) -> None:
        """Go back to the failure after this many: the attempts since then are lost."""
        self._failed[id(self._failures(command))] = raised

    def replaces_child(self, name: str) -> bool:
        """Return whether a child does not run."""
        fake = self._for_child(name)
        return fake is not REAL and not hasattr(fake, ATTRIBUTE)

    def call_child(self, name: str, input: Any) -> Any:
        """Return the result of a child that is replaced."""
        fake = self._for_child(name)
        _raise_if_error(fake)
        return fake(input) if callable(fake) else fake

    def child(self, name: str, version: int | None, parent: Definition) -> Definition:
        """Return the definition of a child that runs. Raises `UnknownChild`."""
        fake = self._for_child(name)
        return _declared(name, version, parent) if fake is REAL else definition_of(fake)

    def _for_child(self, name: str) -> Any:
        for target, fake in self.children.items():
            if name == (target if isinstance(target, str) else definition_of(target).name):
                return fake
        return REAL

    def _raise_failure(self, command: RunStep) -> None:
        failures = self._failures(command)
        raised = self._failed.get(id(failures), 0)
        if raised < len(failures):
            self._failed[id(failures)] = raised + 1
            _raise_if_error(failures[raised])

    def _failures(self, command: RunStep) -> Sequence[Any]:
        failures = _found(self.fail, command.function, command.name)
        return () if failures is REAL else failures


def _found(fakes: Mapping[Target, Any], function: Any, name: str) -> Any:
    return next((fake for key, fake in fakes.items() if key in (name, function)), REAL)


def _raise_if_error(fake: Any) -> None:
    if isinstance(fake, BaseException):
        raise fake.with_traceback(None)
    if isinstance(fake, type) and issubclass(fake, BaseException):
        raise fake


def _declared(name: str, version: int | None, parent: Definition) -> Definition:
    """Return a function that is declared near its parent, or anywhere."""
    package = parent.module.partition(".")[0]
    for modules in ([parent.module], [package], _packages()):
        found = [
            each
            for module in modules
            for each in declared_in(module)
            if each.name == name and version in {None, each.version}
        ]
        if found:
            return _only(name, found)
    raise UnknownChild(f"there is no function {name}; declare it or replace it: children={{…}}")


def _packages() -> Iterable[str]:
    return sorted({module.partition(".")[0] for module in list(sys.modules)})


def _only(name: str, found: list[Definition]) -> Definition:
    best = newest(found)[name]
    others = [each.module for each in found if each.version == best.version]
    if len(set(others)) > 1:
        raise UnknownChild(f"{name} is declared in {' and '.join(others)}; choose: children={{…}}")
    return best

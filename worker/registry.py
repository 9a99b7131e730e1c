"""The functions that this worker can run, as the SDK knows them."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Final

from resonate.registry import Registry

from durable_http.declarations.loading import newest
from durable_http.errors import DeclarationError
from shared.webhooks import FUNCTION
from worker.durable.driver import durable
from worker.durable.plain import run_plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from durable_http.declarations.definition import Definition
    from worker.slots.parts import RunPlain

SHIPPED_DEFAULT: Final = "foo"
"""The example that is begun when a client names no function."""


class Functions:
    """The functions that a worker serves, in all their versions.

    Raises `DeclarationError` for a name that the service itself needs.
    """

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self.registry = Registry()
        self.definitions: Sequence[Definition] = sorted(
            definitions, key=lambda each: (each.name, each.version)
        )
        self.newest: Mapping[str, Definition] = newest(self.definitions)
        self.versions: defaultdict[str, list[int]] = defaultdict(list)
        """The versions of each function, the oldest first."""
        for definition in self.definitions:
            if definition.name == FUNCTION:
                raise DeclarationError(f"the name {FUNCTION} is the service's own")
            self.add(definition)

    def add(self, definition: Definition) -> None:
        """Serve a function of the worker's own, which is none of the users' functions."""
        self.registry.add(durable(definition), definition.name, definition.version)
        self.versions[definition.name].append(definition.version)

    @property
    def plain(self) -> Mapping[tuple[str, int], RunPlain]:
        """The plain functions, by name and version."""
        plain = [each for each in self.definitions if not each.is_workflow]
        return {(each.name, each.version): partial(run_plain, each) for each in plain}

    @property
    def users_versions(self) -> Mapping[str, Sequence[int]]:
        """The versions of the users' functions, the oldest first."""
        return {name: self.versions[name] for name in self.newest}

    def described(self) -> str:
        """Return the users' functions with their versions, for the log: `order 1, 2; quote 1`."""
        served = self.users_versions.items()
        return "; ".join(f"{name} {', '.join(map(str, versions))}" for name, versions in served)

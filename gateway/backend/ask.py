"""How parts of the backend have their blocking calls made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Ask(Protocol):
    """Makes a blocking call in a thread."""

    def __call__[T](self, call: Callable[..., T], *arguments: Any) -> Coroutine[Any, Any, T]:
        """Return what the call returns. Raises `BackendUnavailable`, or what the call raises."""
        ...

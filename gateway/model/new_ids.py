"""Ids that gateways make, and which new ids a gateway may store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import uuid_utils

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class NewIds:
    """All ids are this gateway's own, as where there is one cell."""

    @property
    def fault(self) -> str | None:
        """Why this gateway takes no new ids although it could ask the server, None if it does."""
        return None

    def make(self) -> str:
        """Return a new id, which sorts by time (UUIDv7). Raises `BackendUnavailable`."""
        return str(uuid_utils.uuid7())

    def storing(self, id: str) -> AbstractContextManager[str | None]:  # noqa: ARG002 - of cells
        """Return what surrounds the call that stores an id, which may be stored already.

        It yields None if the id may be new, else why not.
        """
        return contextlib.nullcontext()

"""What can go wrong, in the words of the service; HTTP numbers are given at the gateway's edge.

ServiceError
├── InvalidRequest        the request breaks a rule; `detail` says which
├── UnsupportedMediaType  the body is not declared as JSON
├── UnknownExecution      the server says that there is no such id
├── UnknownFunction       the catalog has no such function
├── IdReused              the id belongs to another function or another input
└── BackendUnavailable    no answer that could be relied on; safe to try again with the same id
    ├── Saturated         this process has no room for another call
    └── DeadlineExceeded  the call took longer than it may
"""

from __future__ import annotations


class ServiceError(Exception):
    """Root of the tree. `detail` is for the client: what happened and what to do about it."""

    def __init__(self, detail: str, *, id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.id = id


class InvalidRequest(ServiceError):
    """The request breaks a rule of the contract."""


class UnsupportedMediaType(ServiceError):
    """The body has another content type than JSON."""


class UnknownExecution(ServiceError):
    """The server was asked and has no such execution."""


class UnknownFunction(ServiceError):
    """The catalog has no function of that name."""


class IdReused(ServiceError):
    """The id already belongs to another function or to another input."""


class BackendUnavailable(ServiceError):
    """The server could not be asked; nothing is known about what became of the request."""


class Saturated(BackendUnavailable):
    """Refused at once: as many calls are under way or waiting as this process takes."""


class DeadlineExceeded(BackendUnavailable):
    """The call to the server did not end within its deadline."""

"""What can go wrong, in the words of the service; HTTP numbers are given at the gateway's edge.

ServiceError
├── InvalidRequest        the request breaks a rule; `detail` says which
├── InvalidInput          the input is not what its function takes
├── UnsupportedMediaType  the body is not declared as JSON
├── UnknownExecution      the server says that there is no such id
├── UnknownFunction       the catalog has no such function
├── IdReused              the id belongs to another function or another input
├── AlreadyDone           the execution has ended, and not by being canceled
├── SignalConflict        the signal has another value, or comes too late
├── TooManyRequests       as many clients wait, or begin, as this process serves
├── Unauthorized          there are tokens, and the request has none of them
├── ExecutionRejected     the function failed, and the client wants a status that says so
├── ExecutionCanceled     the same for one that was canceled
├── ExecutionTimedOut     the same for one that did not end in time
└── BackendUnavailable    no answer that could be relied on; safe to try again with the same id
    ├── Saturated         this process has no room for another call
    └── DeadlineExceeded  the call took longer than it may
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ServiceError(Exception):
    """Root of the tree. `detail` is for the client: what happened and what to do about it.

    `source` is who failed: the gateway, or the workflow that the client asked about.
    """

    source = "gateway"

    def __init__(self, detail: str, *, id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.id = id


class InvalidRequest(ServiceError):
    """The request breaks a rule of the contract."""


class InvalidInput(ServiceError):
    """The function's schema does not take the input; `faults` says where and why."""

    def __init__(
        self, detail: str, *, id: str | None = None, faults: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(detail, id=id)
        self.faults = faults


class UnsupportedMediaType(ServiceError):
    """The body has another content type than JSON."""


class UnknownExecution(ServiceError):
    """The server was asked and has no such execution."""


class UnknownFunction(ServiceError):
    """The catalog has no function of that name."""


class IdReused(ServiceError):
    """The id already belongs to another function or to another input."""


class AlreadyDone(ServiceError):
    """The execution has ended in another way; `status` says how."""

    def __init__(self, detail: str, *, id: str | None = None, status: str | None = None) -> None:
        super().__init__(detail, id=id)
        self.status = status


class SignalConflict(ServiceError):
    """The signal was delivered with another value, or nobody can take it any more."""


class TooManyRequests(ServiceError):
    """Refused at once: as many requests of the kind are served as this process takes."""


class Unauthorized(ServiceError):
    """The request has no token that counts."""


class ExecutionRejected(ServiceError):
    """The function failed; the client asked for a status that says so."""

    source = "workflow"


class ExecutionCanceled(ServiceError):
    """The execution was canceled; the client asked for a status that says so."""

    source = "workflow"


class ExecutionTimedOut(ServiceError):
    """The execution did not end in time; the client asked for a status that says so."""

    source = "workflow"


class BackendUnavailable(ServiceError):
    """The server could not be asked; nothing is known about what became of the request."""


class Saturated(BackendUnavailable):
    """Refused at once: as many calls are under way or waiting as this process takes."""


class DeadlineExceeded(BackendUnavailable):
    """The call to the server did not end within its deadline."""

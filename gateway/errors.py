"""What can go wrong, in the words of the service; `http.answers.problems` gives each its status.

ServiceError
├── InvalidRequest        the request breaks a rule of the contract
├── InvalidInput          the input is not valid, or no webhook can be sent to the callback
├── UnsupportedMediaType  the body is not declared as JSON, or has another content encoding
├── ValueTooLarge         the value has more bytes of JSON than may be stored
├── UnknownExecution      the server says that no execution has this id
├── UnknownFunction       the catalog has no such function
├── IdReused              the id belongs to another function or another input
├── AlreadyDone           the execution has ended in another way than by being canceled
├── SignalConflict        the value comes too late, or its key was used with another value
├── TooManyValues         the function has to take values of the signal before others can come
├── TooManyRequests       this process serves as many such requests as it may
├── Unauthorized          tokens are set, and the request has none of them
├── ForbiddenOrigin       a web page of another origin sent the request
├── ForbiddenHost         the request names a host that is not this gateway
├── ExecutionRejected     the function failed, and the client wants a status that says so
├── ExecutionCanceled     the execution was canceled, and the client wants a status that says so
├── ExecutionTimedOut     the execution timed out, and the client wants a status that says so
├── ValueLost             a large value of the execution is missing in the store, or damaged
├── Overloaded            this process holds as many bytes of requests or answers as it may
└── BackendUnavailable    the server gave no usable answer; safe to repeat with the same id
    ├── StoreNotWritable  the server answers, and cannot write to its store
    ├── Saturated         this process has no room for another call
    └── DeadlineExceeded  the call took longer than it may
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ServiceError(Exception):
    """Root of the tree. `detail` is for the client: what is wrong, or what to do.

    `source` is who failed. `workflow`: the execution itself failed.
    """

    source = "gateway"

    def __init__(self, detail: str, *, id: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.id = id


class InvalidRequest(ServiceError):
    """The request breaks a rule of the contract; `detail` says which."""


class InvalidInput(ServiceError):
    """The function's schema does not take the input, or no webhook can be sent to the callback.

    `faults` says where the input is wrong and why; it is empty for a callback.
    """

    def __init__(
        self, detail: str, *, id: str | None = None, faults: Sequence[Mapping[str, str]] = ()
    ) -> None:
        super().__init__(detail, id=id)
        self.faults = faults


class UnsupportedMediaType(ServiceError):
    """The body has another content type than JSON, or a content encoding that is not read here."""


class ValueTooLarge(ServiceError):
    """A value of more bytes of JSON than `MAX_RESULT_BYTES`."""


class UnknownExecution(ServiceError):
    """The server was asked and has no such execution."""


class UnknownFunction(ServiceError):
    """The catalog has no function of this name."""


class IdReused(ServiceError):
    """The id already belongs to another function or to another input."""


class AlreadyDone(ServiceError):
    """The execution has ended in another way; `status` says how."""

    def __init__(self, detail: str, *, id: str | None = None, status: str | None = None) -> None:
        super().__init__(detail, id=id)
        self.status = status


class SignalConflict(ServiceError):
    """The value comes too late, or its idempotency key was used with another value."""


class TooManyValues(ServiceError):
    """As many values of a signal wait for an execution as may wait."""


class TooManyRequests(ServiceError):
    """Refused at once, because this process serves as many requests of this kind as it may."""


class Overloaded(ServiceError):
    """Refused at once, because this process holds as many bytes of this kind as it may."""


class ValueLost(ServiceError):
    """A large value is missing in the server's store or is not what was stored."""


class Unauthorized(ServiceError):
    """The request has no valid token."""


class ForbiddenOrigin(ServiceError):
    """A web page of another origin sent the request, and no setting allows that origin."""


class ForbiddenHost(ServiceError):
    """The request was sent to a host name that is not this gateway's."""


class OutcomeError:
    """Mixed into the errors of executions without a result; `error` is why there is none."""

    source = "workflow"

    def __init__(self, detail: str, *, id: str | None = None, error: object = None) -> None:
        super().__init__(detail, id=id)  # type: ignore[call-arg] # ServiceError is next
        self.error = error


class ExecutionRejected(OutcomeError, ServiceError):
    """The function failed; the client asked for a status that says so."""


class ExecutionCanceled(OutcomeError, ServiceError):
    """The execution was canceled; the client asked for a status that says so."""


class ExecutionTimedOut(OutcomeError, ServiceError):
    """The execution did not end in time; the client asked for a status that says so."""


class BackendUnavailable(ServiceError):
    """The server gave no usable answer; whether it acted on the request is not known."""


class StoreNotWritable(BackendUnavailable):
    """The server answers, but a small write of ours was not done."""


class Saturated(BackendUnavailable):
    """Refused at once, because as many calls are running or waiting as this process takes."""


class DeadlineExceeded(BackendUnavailable):
    """The call to the server did not end within its deadline."""

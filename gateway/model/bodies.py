"""JSON bodies about executions: one declaration each, for what is sent and for its schema.

The types of the fields are in `gateway.model.fields`. A field that is `UNSET` is left out.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.model.fields import (
    CancelLink,
    Count,
    EventsLink,
    Id,
    Json,
    Name,
    NullablePhase,
    Phase,
    PositiveCount,
    Status,
    Time,
    Version,
    WaitLink,
)
from shared.resonate.codec import MESSAGE_LIMIT


class JsonBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object with these fields and no others."""


class FailureBody(JsonBody, frozen=True, kw_only=True):
    """Why an execution or a step ended without a result."""

    type: Name
    message: Annotated[str, Meta(max_length=MESSAGE_LIMIT)]
    step: Name | UnsetType = UNSET
    attempts: PositiveCount | UnsetType = UNSET
    reason: Annotated[str, Meta(description="What was given when it was canceled.")] | UnsetType = (
        UNSET
    )


class WaitedForBody(JsonBody, frozen=True, kw_only=True):
    """One thing that an execution waits for."""

    name: Name
    since: Time


class BlockedBody(JsonBody, frozen=True, kw_only=True):
    """Why no worker can go on with an execution yet."""

    expected: Annotated[Name, Meta(description="What the stored history has.")]
    found: Annotated[Name, Meta(description="What the worker's code asks for.")]
    worker: Annotated[Name, Meta(description="The worker that found it.")]
    version: Version | UnsetType = UNSET


class ProgressBody(JsonBody, frozen=True, kw_only=True):
    """The last report of progress, and the name of the running step."""

    done: Count
    total: Count
    step: str | None


class StepBody(JsonBody, frozen=True, kw_only=True):
    """A step, or a child execution, in /wait and /events.

    In /wait, one that has failed and is tried again has `tries` and `last_error`.
    """

    name: Name
    status: Status
    worker: Annotated[str | None, Meta(description="Null for a child execution.")]
    started: Time
    ended: Time | None
    tries: PositiveCount | UnsetType = UNSET
    last_error: FailureBody | UnsetType = UNSET


class ExecutionBody(JsonBody, frozen=True, kw_only=True):
    """An execution as /wait and /cancel answer it."""

    status: Status
    promise_id: Id
    done: bool
    result: Json | UnsetType = UNSET
    error: FailureBody | UnsetType = UNSET
    function: Name
    version: Version | UnsetType = UNSET
    created_at: Time
    completed_at: Time | UnsetType = UNSET
    timeout_at: Time
    starts_at: Time | UnsetType = UNSET
    phase: Phase | UnsetType = UNSET
    worker: (
        Annotated[Name, Meta(description="The worker that runs it, or ran it last.")] | UnsetType
    ) = UNSET
    attempt: (
        Annotated[
            PositiveCount,
            Meta(description="1, and one more each time the execution's worker was lost."),
        ]
        | UnsetType
    ) = UNSET
    recovered_from: (
        Annotated[Name, Meta(description="The worker from which it was taken over.")] | UnsetType
    ) = UNSET
    waiting_for: list[WaitedForBody] | UnsetType = UNSET
    blocked: BlockedBody | UnsetType = UNSET
    queued_because: (
        Annotated[str, Meta(description="Why no worker runs it yet, as far as workers have told.")]
        | UnsetType
    ) = UNSET
    progress: ProgressBody | UnsetType = UNSET
    tries: (
        Annotated[PositiveCount, Meta(description="How often the step that is retried has failed.")]
        | UnsetType
    ) = UNSET
    last_error: FailureBody | UnsetType = UNSET
    next_try_at: (
        Annotated[Time, Meta(description="Until then the step is not tried again.")] | UnsetType
    ) = UNSET
    input: Json | UnsetType = UNSET
    steps: list[StepBody] | UnsetType = UNSET


class LinksBody(JsonBody, frozen=True, kw_only=True):
    """Where to go from an answer of /begin."""

    events: EventsLink
    cancel: CancelLink


class BegunBody(JsonBody, frozen=True, kw_only=True):
    """An execution as /begin answers it."""

    promise: Id
    status: Status
    wait: WaitLink
    created: Annotated[bool, Meta(description="Whether this request started it.")]
    done: bool
    function: Name
    version: Version | UnsetType = UNSET
    timeout_at: Time
    starts_at: Time | UnsetType = UNSET
    result: Json | UnsetType = UNSET
    error: FailureBody | UnsetType = UNSET
    links: LinksBody


class ItemBody(JsonBody, frozen=True, kw_only=True):
    """An execution as a row of /list."""

    id: Id
    function: Name
    version: Version | None
    status: Status
    phase: NullablePhase
    worker: str | None
    attempt: PositiveCount | None
    created_at: Time
    completed_at: Time | None
    cell: (
        Annotated[Name, Meta(description="Where there are several cells, the one that has it.")]
        | UnsetType
    ) = UNSET


class StateBody(JsonBody, frozen=True, kw_only=True):
    """The data of the event `state`: what an execution is doing since the time `at`.

    Only the first one of an execution has the `version`.
    """

    status: Status
    phase: Phase
    version: Version | UnsetType = UNSET
    worker: Name | UnsetType = UNSET
    attempt: PositiveCount | UnsetType = UNSET
    recovered_from: Name | UnsetType = UNSET
    waiting_for: list[WaitedForBody] | UnsetType = UNSET
    blocked: BlockedBody | UnsetType = UNSET
    starts_at: Time | UnsetType = UNSET
    at: Time


class ProgressEventBody(JsonBody, frozen=True, kw_only=True):
    """The data of the event `progress`."""

    done: Count
    total: Count
    step: str | None
    at: Time


class RetryingBody(JsonBody, frozen=True, kw_only=True):
    """The data of the event `retrying`: a try of a step has failed, and another one follows."""

    step: str | None
    worker: Name
    tries: PositiveCount
    last_error: FailureBody
    next_try_at: Time
    at: Time


class DoneBody(JsonBody, frozen=True, kw_only=True):
    """The data of the event `done`: how an execution ended, and with what."""

    promise_id: Id
    status: Status
    done: bool
    result: Json | UnsetType = UNSET
    error: FailureBody | UnsetType = UNSET
    completed_at: Time | None

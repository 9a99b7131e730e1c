"""Types of the fields of JSON bodies, each with its schema in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta, Raw

from shared.catalog import LARGEST_VERSION

COMPONENT: Final = "x-component"
"""In a field's schema: the name of the schema in the document's components that stands for it."""

PHASES: Final = ("scheduled", "queued", "running", "retrying", "waiting", "recovering", "blocked")


def _component(name: str) -> Meta:
    return Meta(extra_json_schema={COMPONENT: name})


def _pattern(pattern: str) -> Meta:
    return Meta(pattern=pattern)


def _one_of(*values: Any) -> Meta:
    return Meta(extra_json_schema={"enum": list(values)})


Id = Annotated[str, _component("id")]
Status = Annotated[str, _component("status")]
SignalName = Annotated[str, _component("signal-name")]
Time = Annotated[str, _component("time")]
"""UTC, to the millisecond: `2026-11-24T01:30:00.000Z`."""

Json = Annotated[Raw, _component("json")]
"""Any JSON, encoded already."""

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
PositiveCount = Annotated[int, Meta(ge=1)]
Version = Annotated[int, Meta(ge=1, le=LARGEST_VERSION, description="The function's version.")]
Phase = Annotated[str, _one_of(*PHASES)]
NullablePhase = Annotated[str | None, _one_of(*PHASES, None)]

WaitLink = Annotated[str, _pattern(r"^/wait\?id=")]
EventsLink = Annotated[str, _pattern(r"^/events\?id=")]
CancelLink = Annotated[str, _pattern(r"^/cancel\?id=")]

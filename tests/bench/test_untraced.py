"""The gateway without spans, beside which traces are measured."""

from __future__ import annotations

import pytest

from bench.report.document import write_document
from bench.stacks.untraced import SPANLESS, without_spans

OF_SPANS = {"tracing", "NO_SPAN", "current", "answered", "failed"}


@pytest.mark.parametrize(("owner", "name"), SPANLESS)
def test_nothing_asks_for_a_span(owner: object, name: str) -> None:
    """What makes spans goes, and what answers and calls stays."""
    shipped = getattr(owner, name)

    names, kept = (set(each.__code__.co_names) for each in (shipped, without_spans(shipped)))

    assert names & OF_SPANS
    assert not kept & OF_SPANS
    assert kept & {"trace_of", "_answer", "call"}


def test_a_function_without_spans_is_refused() -> None:
    """A measurement of something else does not go unseen."""
    with pytest.raises(ValueError, match="nothing to do with spans"):
        without_spans(write_document)

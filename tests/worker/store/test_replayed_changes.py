"""Replays that pass a line of changed code, at the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.resonate import tags as tag
from tests.support.scripted_server import ERROR, Answer
from tests.support.worker.replays import STEP, replay, scripted, stored, stored_before
from worker.tasks.claims import Claim

if TYPE_CHECKING:
    from tests.support.worker.claims import ClaimedJob


@pytest.mark.parametrize(
    ("part", "name", "taken"),
    [
        ({tag.CHANGED: "a"}, "a", True),
        ({tag.CHANGED: "a"}, "b", False),
        (STEP, "a", False),
    ],
    ids=["its record", "another change", "a step"],
)
def test_a_change_is_as_it_was(
    claimed: ClaimedJob,
    part: dict[str, str],
    name: str,
    taken: bool,  # noqa: FBT001
) -> None:
    """An execution that has passed the line keeps its way, whichever that was."""
    stored(claimed, part)
    _, _, history = replay(claimed)

    assert history.takes_change(f"{claimed.id}.1", name) is taken


def test_a_change_after_all_that_is_stored_is_taken(claimed: ClaimedJob) -> None:
    """An execution that has not come to the line yet runs the new code."""
    stored(claimed, STEP)
    _, _, history = replay(claimed)

    assert history.takes_change(f"{claimed.id}.2", "a")


def test_a_change_amid_parts_of_an_earlier_release_is_not_taken(claimed: ClaimedJob) -> None:
    """A gap in the numbers was passed by a release that has stored nothing for a wait."""
    _, store = claimed.claim()
    for number in (1, 3):
        claimed.part(store, number, STEP)
    claimed.drop()
    _, _, history = replay(claimed)

    assert not history.takes_change(f"{claimed.id}.2", "a")


def test_a_change_at_a_wait_of_an_earlier_release_is_not_taken(claimed: ClaimedJob) -> None:
    """An execution that has waited for a signal has passed the line, though no part is there."""
    stored_before(claimed, "1", "signal.quote")
    _, _, history = replay(claimed)

    assert not history.takes_change(f"{claimed.id}.2", "a")
    assert history.takes_change(f"{claimed.id}.3", "a")


def test_a_new_execution_takes_each_change_without_a_call() -> None:
    """Where nothing can be stored, the server is not asked."""
    claim = Claim("__invoke:job", 1, "job")
    with scripted(claim, Answer(500, ERROR)) as (server, history):
        assert history.takes_change("job.1", "a")
        history.check_end(0)
        assert server.requests == []

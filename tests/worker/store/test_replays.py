"""Replays at the real server: what their code may ask for, and what blocks them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.resonate import tags as tag
from tests.support.scripted_server import ERROR, Answer
from tests.support.worker.claims import ClaimedJob
from tests.support.worker.replays import STEP, WAIT, replay, scripted, stored, stored_before
from worker.errors import Fenced
from worker.tasks.claims import Blocked, Claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.resonate.store import Store
    from worker.store.replays import ReplayedHistory

CHILD = {tag.KIND: tag.CHILD, tag.FUNCTION: "pack"}


def test_a_record_is_a_part(claimed: ClaimedJob) -> None:
    """A part without an outcome is stored once, and met by each replay."""
    id = f"{claimed.id}.1"
    for _ in range(2):
        claim, _, history = replay(claimed)
        history.record(id, WAIT)
        assert claim.position == 1
        claimed.drop()

    assert WAIT.items() <= claimed.promises.get(id).tags.items()


def test_a_record_of_another_part_blocks(claimed: ClaimedJob) -> None:
    """A record that is stored as another part ends the body."""
    stored(claimed, STEP)
    claim, _, history = replay(claimed)

    with pytest.raises(Fenced, match=claimed.id):
        history.record(f"{claimed.id}.1", WAIT)

    assert claim.blocked == Blocked("step quote", "signal go")


def test_an_end_before_parts_of_an_earlier_release_blocks(claimed: ClaimedJob) -> None:
    """The end is checked, also where the first part was a wait that is stored only now."""
    stored_before(claimed, "signal.quote", "2", "3")
    claim, store, history = replay(claimed)
    history.record(f"{claimed.id}.1", WAIT)
    assert claimed.part(store, 2, STEP)

    with pytest.raises(Fenced):
        history.check_end(2)

    assert claim.blocked == Blocked("step quote", "the end")


@pytest.mark.parametrize(
    ("position", "expected"), [(0, "step quote"), (1, "signal go"), (2, "sleep")]
)
def test_an_end_before_the_stored_end_blocks(
    claimed: ClaimedJob, position: int, expected: str
) -> None:
    """Code that returns where it went on before is other code; the next part is shown."""
    stored(claimed, STEP, WAIT, {tag.SLEEP: "true"})
    claim, _, history = replay(claimed)

    with pytest.raises(Fenced):
        history.check_end(position)

    assert claim.blocked == Blocked(expected, "the end")
    assert claim.lost == f"blocked: expected {expected}, found the end"


def test_a_part_that_is_not_known_is_shown_as_such(claimed: ClaimedJob) -> None:
    """Parts of earlier releases may lack their tags, or be missing."""
    _, store = claimed.claim()
    claimed.part(store, 2, STEP)
    claimed.drop()
    claim, _, history = replay(claimed)

    with pytest.raises(Fenced):
        history.check_end(0)

    assert claim.blocked == Blocked("a part of an earlier release", "the end")


@pytest.mark.parametrize("position", [2, 3])
def test_the_stored_end_or_a_later_one_is_an_end(claimed: ClaimedJob, position: int) -> None:
    """A function may end where it was, and after further parts."""
    stored(claimed, STEP, WAIT)
    claim, _, history = replay(claimed)

    history.check_end(position)

    assert (claim.blocked, claim.lost) == (None, None)


def test_the_end_of_a_lost_claim_is_not_checked() -> None:
    """What a body does after its claim is over says nothing of its code."""
    claim = Claim("__resume:job:job.1", 2, "job", lost="fenced off")
    with scripted(claim, Answer(500, ERROR)) as (server, history):
        history.check_end(0)

        assert (server.requests, claim.blocked) == ([], None)


def test_the_first_reason_counts(claimed: ClaimedJob) -> None:
    """A claim that is lost already is not blocked as well."""
    claim, _, history = replay(claimed)
    claim.lost = "fenced off"

    with pytest.raises(Fenced):
        history.block("sleep", "progress")

    assert (claim.blocked, claim.lost) == (None, "fenced off")


def test_a_clients_input_that_does_not_fit_blocks(claimed: ClaimedJob) -> None:
    """The gateway has checked the input of a client, so it fits other code of that version."""
    claim, _, history = replay(claimed)

    with pytest.raises(Fenced):
        history.block_if_begun("input of order", "order, which refuses it")

    assert claim.blocked == Blocked("input of order", "order, which refuses it")


@pytest.mark.parametrize("parts", [0, 1])
def test_a_childs_input_that_does_not_fit_blocks_what_has_begun(
    store: Store, job: str, parts: int
) -> None:
    """A child that was begun has taken its input before; a new one has the input of its parent."""
    child = ClaimedJob(store, f"{job}_a.3")
    stored(child, *[STEP] * parts)
    claim, _, history = replay(child)

    if parts:
        with pytest.raises(Fenced):
            history.block_if_begun("input", "refused")
    else:
        history.block_if_begun("input", "refused")

    assert claim.blocked == (Blocked("input", "refused") if parts else None)


def test_a_child_that_is_refused_here_blocks_if_it_is_stored(claimed: ClaimedJob) -> None:
    """A worker that refuses a child does not change the way of an execution that has it."""
    stored(claimed, CHILD)
    claim, _, history = replay(claimed)

    with pytest.raises(Fenced):
        history.refuse(f"{claimed.id}.1", "pack", "child pack: there is no function pack")

    assert claim.blocked == Blocked("child pack", "child pack: there is no function pack")


def test_a_refused_child_is_refused_again(claimed: ClaimedJob) -> None:
    """A worker that would begin the child later finds that its function went on without it."""
    first = replay(claimed)[2]
    first.refuse(f"{claimed.id}.1", "pack", "child pack: there is no function pack")
    claimed.drop()
    again = replay(claimed)[2]
    again.refuse(f"{claimed.id}.1", "pack", "child pack: there is no function pack")
    claimed.drop()

    claim, store, _ = replay(claimed)
    store.promises.create(f"{claimed.id}.1", claim.deadline, ikey=f"{claimed.id}.1", tags=CHILD)

    assert claim.blocked == Blocked("refused child pack", "child pack")


@pytest.mark.parametrize(
    "block",
    [
        lambda history: history.block_if_begun("input", "refused"),
        lambda history: history.block("step quote with its stored result", "step quote: refused"),
    ],
    ids=["input", "result"],
)
def test_a_block_knows_how_far_the_execution_was(
    claimed: ClaimedJob, block: Callable[[ReplayedHistory], None]
) -> None:
    """A claim that is blocked before it has met a part tells the next one what was there."""
    stored(claimed, STEP, STEP)
    claim, _, history = replay(claimed)

    with pytest.raises(Fenced):
        block(history)

    assert claim.stored_position == 2


def test_a_block_shows_little_of_a_large_value(claimed: ClaimedJob) -> None:
    """What a record says of a user's value is short and can be stored, whatever the value is."""
    claim, _, history = replay(claimed)

    with pytest.raises(Fenced):
        history.block("step quote", "\ud800" + "x" * 2_000_000)

    assert claim.blocked is not None
    assert len(claim.blocked.found.encode()) <= 512


@pytest.mark.parametrize(
    "call",
    [
        lambda history: history.takes_change("job.1", "a"),
        lambda history: history.check_end(0),
        lambda history: history.refuse("job.1", "pack", "refused"),
        lambda history: history.record("job.1", {}),
    ],
    ids=["a change", "the end", "a refused child", "a record"],
)
@pytest.mark.parametrize("status", [500, 403])
def test_a_server_in_trouble_loses_the_claim(
    call: Callable[[ReplayedHistory], object], status: int
) -> None:
    """Without an answer nothing is decided: the claim is given up, and is not blocked."""
    claim = Claim("__invoke:job", 2, "job")
    with scripted(claim, Answer(status, ERROR)) as (_, history), pytest.raises(Fenced):
        call(history)

    assert claim.lost
    assert claim.blocked is None

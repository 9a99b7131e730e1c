"""Reads that cost the server much: lists, histories, large values, and much to do at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tests.support.faults.attacks.attack import Attack
from tests.support.faults.attacks.client import Broken

if TYPE_CHECKING:
    from tests.support.faults.attacks.attack import Bout

LISTS: Final = (
    "function=fanout&status=rejected&limit=200",
    "function=fanout&limit=1",
    "status=timedout&limit=200",
    "prefix=zzz&limit=200",
    "prefix=_&limit=200",
    "limit=200",
)
PAGES: Final = 5
"""Pages of a list that are followed at most."""


def lists(bout: Bout) -> None:
    """Follow four lists at once that find little or nothing."""
    bout.at_once(*(partial(_follow, bout, query) for query in bout.random.sample(LISTS, 4)))


def _follow(bout: Bout, query: str) -> None:
    cursor = ""
    for _ in range(PAGES):
        answer = bout.call(f"/list?{query}{cursor}", expect={200})
        if answer is None or answer.status != 200 or answer.body["next_cursor"] is None:
            return
        cursor = f"&cursor={answer.body['next_cursor']}"


def underscores(bout: Bout) -> None:
    """Poll executions whose ids have wildcards of the server's searches, with all they have."""
    ids = [id.replace("-", "_") for id in bout.ids(3)]
    for id in ids:
        bout.begin(id, "checkout", {"pace": 0.5})
    for _ in bout.during(3, 0.1):
        for id in ids:
            bout.call(f"/wait?id={id}&include=steps,input", expect={200, 404})
    for id in ids:
        bout.ended(id, 30)


def large_steps(bout: Bout) -> None:
    """Poll an execution whose twelve steps have stored almost 1 MiB each."""
    (id,) = bout.ids(1)
    bout.create(id, "large_steps", 12)
    for _ in bout.during(6, 0.1):
        bout.call(f"/wait?id={id}&include=steps", expect={200, 404})
    bout.ended(id, 60)


def short_sleeps(bout: Bout) -> None:
    """Suspend and resume an execution 40 times, its history growing with each turn."""
    (id,) = bout.ids(1)
    bout.begin(id, "countdown", {"from": 40, "every": 0.01})
    bout.ended(id, 90)


def many_steps(bout: Bout) -> None:
    """Run 300 steps in one body."""
    (id,) = bout.ids(1)
    bout.create(id, "many_steps", 300)
    bout.ended(id, 90)


def deep_children(bout: Bout) -> None:
    """Call children 25 deep."""
    (id,) = bout.ids(1)
    bout.create(id, "descends", 25)
    state = bout.ended(id, 90)
    if state and state.get("result") != 25:
        raise Broken(f"{id} ended {state['status']} with {state.get('error')}")


def bursts(bout: Bout) -> None:
    """Begin 60 executions in a burst, most of which have to wait for a slot."""
    ids = bout.ids(60)
    bout.at_once(*(partial(bout.begin, id, "part", {"pace": 0.1}) for id in ids[:8]))
    for id in ids[8:]:
        bout.begin(id, "part", {"pace": 0.1})
    for id in ids:
        bout.ended(id, 60)


ATTACKS: Final = (
    Attack("lists", 5, lists),
    Attack("underscores", 6, underscores),
    Attack("large-steps", 20, large_steps),
    Attack("short-sleeps", 20, short_sleeps),
    Attack("many-steps", 30, many_steps),
    Attack("deep-children", 30, deep_children),
    Attack("bursts", 20, bursts),
)

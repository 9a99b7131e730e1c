"""States of promises, as statuses for clients and as searches of the server."""

from __future__ import annotations

import pytest

from shared.resonate.states import SEARCH_STATE, STATES_OF_SEARCH, STATUS


def test_every_status_can_be_searched_for() -> None:
    """Each status that clients see has a search of the server."""
    assert SEARCH_STATE.keys() == set(STATUS.values())


@pytest.mark.parametrize(("state", "status"), STATUS.items())
def test_a_search_finds_its_status(state: str, status: str) -> None:
    """The search for a status includes the state that clients see as that status."""
    assert state in STATES_OF_SEARCH[SEARCH_STATE[status]]


def test_a_search_without_a_state_finds_all() -> None:
    """Without a state the server searches promises in every state."""
    assert set(STATES_OF_SEARCH[None]) == STATUS.keys()

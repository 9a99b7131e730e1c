"""States of promises, as statuses for clients and as searches of the server."""

from __future__ import annotations

from shared.resonate.states import STATES_OF_SEARCH, STATUS


def test_a_search_without_a_state_finds_all() -> None:
    """Without a state the server searches promises in every state."""
    assert set(STATES_OF_SEARCH[None]) == STATUS.keys()

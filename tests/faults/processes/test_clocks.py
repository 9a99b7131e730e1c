"""Clocks that are wrong: the server's clock rules, and what is wrong is reported."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import call
from tests.support.stack import OWN_MODULES, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.stack import Stack

SKEWED = "tests.support.skewed"


@pytest.fixture(name="clocks", scope="module", params=["-30", "30"])
def _clocks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Yield a service whose worker is half a minute early or late."""
    with running_stack(tmp_path_factory.mktemp("clocks"), workers=0) as stack:
        stack.add_worker("skewed", SKEWED, MODULE=OWN_MODULES.worker, SKEW=request.param)
        yield stack


def test_a_sleep_lasts_as_long_as_it_should(clocks: Stack, job: str) -> None:
    """Whether its worker's clock is late or early, an execution sleeps for its second."""
    began = time.monotonic()
    clocks.begin(job, "countdown", {"from": 1, "every": 1})

    assert clocks.outcome(job)["status"] == "resolved"
    assert 0.5 <= time.monotonic() - began < 20


def test_a_signal_is_waited_for_as_long_as_it_should(clocks: Stack, job: str) -> None:
    """A signal's time is over after its seconds, and not half a minute before or after."""
    began = time.monotonic()
    clocks.begin(job, "approval", {"within": "2s"})

    assert clocks.outcome(job)["done"]
    assert 1.5 <= time.monotonic() - began < 20


def test_a_wrong_clock_is_logged_once(clocks: Stack, job: str) -> None:
    """A worker says by how much its clock differs, in one line."""
    clocks.begin(job)
    clocks.outcome(job)

    (line,) = clocks.workers["skewed"].events("clock differs from the server's")
    assert 28 < abs(line["seconds"]) < 32


@pytest.mark.parametrize(("skew", "word"), [("-30", "behind"), ("30", "ahead of")])
def test_a_gateway_with_a_wrong_clock(bare_stack: Stack, job: str, skew: str, word: str) -> None:
    """Its executions have their whole time, and it says how far its clock is off."""
    url = bare_stack.add_gateway(
        "skewed", SKEWED, ready=False, MODULE=OWN_MODULES.gateway, SKEW=skew
    )
    answer = call(f"{url}/begin?id={job}&timeout=20s", "POST", {})
    late = call(f"{url}/begin?id={job}-late&delay=20s", "POST", {})

    deadline = datetime.fromisoformat(answer.body["timeout_at"]).timestamp() - time.time()
    assert (answer.status, round(deadline, -1)) == (202, 20)
    start = datetime.fromisoformat(late.body["starts_at"]).timestamp() - time.time()
    assert round(start, -1) == 20
    assert call(f"{url}/wait?id={job}-late").body["phase"] == "scheduled"
    assert call(f"{url}/wait?id={job}").body["phase"] == "queued"
    ready = call(f"{url}/readyz")
    assert (ready.status, ready.body["status"]) == (200, "degraded")
    assert re.fullmatch(rf"clock: (29|30|31) s {word} the server's", ready.body["detail"])

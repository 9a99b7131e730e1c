"""The containers with the functions of another repository, through a crash and a deploy."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.compose import PREFIX, docker
from tests.support.processes import ROOT, call, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.compose import Compose

FOLDER = ROOT / "examples" / "own-functions"
SMALL = {"item": "tea", "cents": 500}
LARGE = {"item": "piano", "cents": 500_000}

VERSION_1 = """
@function(signals=["approval"], timeout=8 * DAY)
def order("""
VERSION_1_KEPT = """
@function(name="order", signals=["approval"], timeout=8 * DAY)
def order_1("""
VERSION_2 = '''

@function(version=2)
def order(context: Context, order: Order) -> Workflow[Delivery]:
    """Ships an order before it charges."""
    parcel = yield context.step(ship, order.item)
    receipt = yield context.step(charge, order.cents)
    return Delivery(receipt, parcel)
'''


@pytest.fixture(name="own", scope="module")
def _own(containers: Compose, tmp_path_factory: pytest.TempPathFactory) -> Compose:
    """Return the containers with the functions of a copy of the example.

    This is the last module that asks the service: its containers are made anew for other functions.
    """
    folder = tmp_path_factory.mktemp("own") / "functions"
    shutil.copytree(FOLDER, folder)
    own = replace(containers, functions=str(folder))
    own.up()
    wait_until(lambda: "order" in functions(own), what="the gateway's new catalog")
    return own


def functions(compose: Compose) -> list[str]:
    """Return the functions that the gateway's document lists."""
    document = call(f"{compose.url}/openapi.json").body
    listed: list[str] = document["components"]["schemas"]["function"]["enum"]
    return listed


def add_version_2(folder: Path) -> None:
    """Do what an author does: keep the code of version 1, and write version 2 beside it."""
    code = (folder / "orders.py").read_text()
    kept = code.replace(VERSION_1, VERSION_1_KEPT)
    assert kept != code
    (folder / "orders.py").write_text(kept + VERSION_2)


@contextmanager
def orders_all_the_time(compose: Compose, job: str) -> Iterator[dict[str, int]]:
    """Begin small orders until the block ends; yield the statuses of the answers by id."""
    answers: dict[str, int] = {}
    over = threading.Event()

    def begin() -> None:
        while not over.wait(0.2):
            id = f"{job}-{len(answers)}"
            answers[id] = compose.begin(id, "order", SMALL).status

    thread = threading.Thread(target=begin)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def test_gateways_know_the_functions_from_the_catalog(own: Compose, job: str) -> None:
    """The gateway has no user's code; it checks an input by what the code declares."""
    wrong = own.begin(job, "order", {"item": "tea", "cents": "many"})
    shipped = own.begin(job, "foo", {})
    found = docker("exec", f"{PREFIX}gateway", "find", "/app", "/catalog", "-name", "*.py")

    assert (wrong.status, "cents" in str(wrong.body)) == (422, True)
    assert (shipped.status, "order" in shipped.body["detail"]) == (404, True)
    assert "/gateway/" in found
    assert "orders" not in found


def test_a_users_function_outlives_its_worker(own: Compose, job: str) -> None:
    """A worker dies while it ships an order; another ships it, and charges nothing again."""
    own.begin(job, "order", SMALL)
    holder = own.running(job, "ship")

    own.kill(holder)

    ended = own.outcome(job)
    own.start(holder)
    assert (ended["status"], ended["recovered_from"]) == ("resolved", holder)
    assert ended["result"] == {"receipt": f"receipt-{job}.1", "parcel": f"parcel-{job}.2"}
    assert own.step_counts(job) == Counter(charge=1, ship=2)


def test_a_deploy_of_a_new_version_loses_nothing(own: Compose, job: str) -> None:
    """Workers are replaced one by one: what was begun ends with its version, new work has the new.

    No request is refused meanwhile, and no execution fails.
    """
    own.begin(job, "order", LARGE)
    wait_until(lambda: own.state(job).get("phase") == "waiting", what="the wait for an approval")
    add_version_2(Path(own.functions))

    with orders_all_the_time(own, job) as answers:
        own.deploy()
        wait_until(
            lambda: own.state(f"{job}-{len(answers) - 1}").get("version") == 2,
            what="an order of version 2",
        )
    call(f"{own.url}/signal?id={job}&name=approval", "POST", body=True)
    ended = own.outcome(job)
    states = [own.outcome(id) for id in answers]

    assert (ended["status"], ended["version"]) == ("resolved", 1)
    assert [step["name"] for step in ended["steps"]] == ["charge", "ship"]
    assert set(answers.values()) == {202}
    assert {state["status"] for state in states} == {"resolved"}
    assert {state["version"] for state in states} == {1, 2}
    for state in states:
        order = ["charge", "ship"] if state["version"] == 1 else ["ship", "charge"]
        assert [step["name"] for step in state["steps"]] == order

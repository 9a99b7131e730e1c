"""What waits for a child goes on when the child ends, and not a turn of the server later."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from shared.resonate import tags as tag
from shared.resonate.store import Store
from shared.resonate.streams import stream_path
from shared.resonate.tasks import Tasks
from shared.resonate.transport import Transport, Unanswered
from shared.settings import ServerSettings
from tests.support.processes import wait_until
from tests.support.server import resonate_server
from tests.support.worker.claims import LATER, ClaimedJob
from worker.slots.prompter import Prompter
from worker.store.fenced_store import FencedStore
from worker.tasks.claims import Claim
from worker.tasks.offers import Inbox
from worker.tasks.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

GROUP = "blue"


class ScriptedTasks:
    """Counts the calls, which are answered once `answers` is set, unless `away`."""

    def __init__(self) -> None:
        self.calls = 0
        self.answers = threading.Event()
        self.away = False

    def prompt(self) -> None:
        self.calls += 1
        assert self.answers.wait(30)
        if self.away:
            raise Unanswered("away")


@contextmanager
def prompter(
    tasks: Tasks | ScriptedTasks, calls: Callable[[], int] = lambda: 0
) -> Iterator[Prompter]:
    """Yield a prompter that runs, in a worker that has begun this many other calls."""
    running = Prompter(cast("Tasks", tasks), calls)
    running.start()
    try:
        yield running
    finally:
        running.close()
        wait_until(lambda: not running.is_alive(), what="the prompter's end")


@contextmanager
def awake(tasks: Tasks) -> Iterator[None]:
    """Have a server take turns, which with turns of a minute can let a call wait that long."""
    done = threading.Event()

    def prompt() -> None:
        while not done.wait(0.1):
            tasks.prompt()

    thread = threading.Thread(target=prompt)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def offered(settings: ServerSettings) -> Iterator[Inbox]:
    """Yield the inbox of a worker that is offered tasks."""
    inbox = Inbox()
    stream = Stream(settings, stream_path(GROUP, "pid"), inbox, lambda: True)
    stream.start()
    try:
        wait_until(stream.is_open, what="the stream")
        yield inbox
    finally:
        stream.close()


def test_what_waits_for_a_child_is_offered_when_the_child_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is idle for a minute offers the parent at once, to the worker that waits."""
    monkeypatch.setenv("SYSTEM_SIGNALTIMEOUT", "60s")
    with resonate_server(tmp_path) as server:
        settings = ServerSettings("http://127.0.0.1", server.store_port, server.message_port)
        transport = Transport(settings, attempt=5, budget=5)
        tasks = Tasks(transport)
        with offered(settings) as inbox, prompter(tasks) as prompts:
            child = FencedStore(transport, "worker-2", child_ended=prompts.prompt)
            child.claim = Claim("__invoke:job.1", 1, "job.1", deadline=LATER)
            with awake(tasks):
                job = ClaimedJob(Store(transport), "job")
                claim, parent = job.claim()
                is_child = {"resonate:invoke": "poll://any@nobody", tag.KIND: "child"}
                assert job.part(parent, 1, is_child)
                parent.promises.callback("job.1", "job", f"poll://any@{GROUP}", LATER)
                tasks.complete(claim.task, claim.counter)
                tasks.claim_raw(child.claim.task, child.claim.counter, "pid", 60_000)

            child.promises.resolve("job.1", ikey="job.1", data="1")

            wait_until(lambda: len(inbox), what="the offer")
            offer = inbox.take()
        transport.close()

    assert offer is not None
    assert (offer.kind, offer.execution) == ("resume", "job")


def test_ends_at_the_same_time_are_one_call() -> None:
    """While a call is not answered, any number of ends makes one further call after it."""
    tasks = ScriptedTasks()
    with prompter(tasks) as prompts:
        prompts.prompt()
        wait_until(lambda: tasks.calls == 1, what="the first call")
        for _ in range(100):
            prompts.prompt()
        assert tasks.calls == 1

        tasks.answers.set()

        wait_until(lambda: tasks.calls == 2, what="the second call")
    assert tasks.calls == 2


def test_a_call_without_an_answer_is_not_repeated() -> None:
    """The server is away: the call is left at that, and the next end makes a new one."""
    tasks = ScriptedTasks()
    tasks.away = True
    tasks.answers.set()
    with prompter(tasks) as prompts:
        prompts.prompt()
        wait_until(lambda: tasks.calls == 1, what="the first call")
        assert prompts.is_alive()

        prompts.prompt()

        wait_until(lambda: tasks.calls == 2, what="the second call")
    assert tasks.calls == 2


def test_another_call_of_the_worker_will_do() -> None:
    """A worker that begins another call just after an end makes none for the end."""
    tasks, looks = ScriptedTasks(), []
    tasks.answers.set()

    def calls() -> int:
        looks.append(threading.current_thread().name)
        return len(looks)  # there is another one at each look

    with prompter(tasks, calls) as prompts:
        prompts.prompt()

        wait_until(lambda: "prompter" in looks, what="a look at the number of calls")
    assert tasks.calls == 0

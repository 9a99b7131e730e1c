"""The threads that call steps for one client of the SDK, in place of the SDK's own.

The SDK's own threads wait for a step for ever, and one that raises no `Exception` ends its thread
in silence. Here a step that does not end is ended in its thread's place:
1. The SDK gets an error as the step's outcome, and goes on.
2. The thread stays in user code, and ends when that returns. What it returns is thrown away.
3. Another thread takes its place, so that the next step runs.
"""

from __future__ import annotations

import queue
import threading
from types import FunctionType
from typing import TYPE_CHECKING, Any

from resonate.models.result import Ko, Ok

if TYPE_CHECKING:
    from collections.abc import Callable

    from resonate.models.result import Result

    type Callback = Callable[[Result[Any]], None]


class StepJob:
    """One call that the SDK has asked for. Its outcome is given once, by whoever takes it first."""

    def __init__(
        self, threads: StepThreads, function: Callable[[], Any], callback: Callback
    ) -> None:
        self.thread: StepThread | None = None
        self.function = function
        self.callback = callback
        self._threads = threads
        self._untaken = threading.Lock()

    def take(self) -> bool:
        """Take the right to end the job; False if somebody else has it."""
        return self._untaken.acquire(blocking=False)

    def fail(self, error: BaseException) -> None:
        """End a job that was taken, with an error, in its thread's place."""
        self._threads.replace(self.thread)
        self.callback(Ko(error))


class StepThread(threading.Thread):
    """Calls one job after the other, until one was ended in its place."""

    def __init__(self, jobs: queue.SimpleQueue[StepJob | None]) -> None:
        super().__init__(name="steps", daemon=True)
        self._jobs = jobs
        self.job: StepJob | None = None

    def run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.thread, self.job = self, job
            try:
                result: Result[Any] = Ok(job.function())
            except BaseException as error:  # noqa: BLE001 - this thread must live on
                result = Ko(error)
            self.job = None
            if not job.take():
                return
            job.callback(result)
            del job, result


class StepThreads:
    """The SDK's `Processor`: always this many threads that are free or at work."""

    def __init__(self, workers: int | None = None) -> None:
        self._jobs: queue.SimpleQueue[StepJob | None] = queue.SimpleQueue()
        self._threads = {StepThread(self._jobs) for _ in range(workers or 1)}
        self._lock = threading.Lock()
        self._last: FunctionType | None = None

    def enqueue(self, func: Callable[[], Any], callback: Callback) -> None:
        self._last = func if isinstance(func, FunctionType) else None
        self._jobs.put(StepJob(self, func, callback))

    def forget_last(self) -> None:
        """Free what the last function closes over, once no step is to run any more."""
        # The SDK's bridge thread has that function in a local variable until the next step. It
        # closes over the step's arguments, and over its execution with all values.
        last, self._last = self._last, None
        for cell in (last.__closure__ if last is not None else None) or ():
            cell.cell_contents = None

    def start(self) -> None:
        with self._lock:
            for thread in self._threads:
                if thread.ident is None:
                    thread.start()

    def stop(self) -> None:
        """End the threads as they become free, without a wait for user code."""
        with self._lock:
            for _ in self._threads:
                self._jobs.put(None)

    def replace(self, thread: StepThread | None) -> None:
        """Start a thread in place of one that is left behind."""
        with self._lock:
            self._threads.discard(thread)
            successor = StepThread(self._jobs)
            self._threads.add(successor)
            successor.start()

    def fail_all(self, error: BaseException) -> None:
        """End all jobs that are running."""
        with self._lock:
            jobs = [thread.job for thread in self._threads]
        for job in jobs:
            if job is not None and job.take():
                job.fail(error)

    def are_alive(self) -> bool:
        with self._lock:
            return all(thread.is_alive() for thread in self._threads)

"""Names of the tags that promises carry in the server's store.

Tags are written once, at creation. From them any gateway knows who works on an execution without
asking a worker. The server's search cannot match keys with a dot, so no key has one.
"""

from __future__ import annotations

from typing import Final

REQUEST: Final = "request"
"""On an execution, and on a signal that came early: the request that created it, so that the first
of several equal requests can be recognized. On an execution it is the id of that request, unless
the client has chosen the id. On a signal with an idempotency key the key's digest and a dot come
before it."""

REQUEST_ID: Final = "request_id"
"""On an execution: the id of the request that began it, if the client has chosen the id, which it
may send again. On its webhook: the id of that request, whoever has chosen it."""

KIND: Final = "kind"
"""On an execution: `EXECUTION` if a client began it, `CHILD` if another execution did."""

FUNCTION: Final = "function"
"""On an execution, and on a child: its function's name."""

CALLBACK: Final = "callback"
"""On an execution that a client began: the URL of its webhook."""

TRACE: Final = "trace"
"""On an execution that a client began in a trace, and on all below it: the trace's id (W3C).
On its webhook as well."""

ORIGIN: Final = "origin"
"""Beside a trace's id: the span that has begun the execution, and the flags, `<span>-<flags>`."""

TRACE_STATE: Final = "trace_state"
"""Beside a trace's id: the `tracestate` that came with it, if one did: at most 512 characters."""

DELAY: Final = "resonate:delay"
"""The server's own: milliseconds since the epoch before which the execution is not started."""

EXECUTION: Final = "execution"
"""On everything an execution creates: the id of that execution."""

CHILD: Final = "child"

ROOT: Final = "root"
"""On a child, and on children of children: the execution that a client began."""

STEP: Final = "step"
"""On a step: its name."""

OUTCOME: Final = "outcome"
"""On a step that was stored when it ended: "resolved" or "rejected". Its param is its value."""

ENDED_STEP: Final = "ended-step"
"""On such a step, in the store: its name, which readers find under `STEP`. Workers of releases that
know no `OUTCOME` find no step here, so they leave the execution to others and take no wrong result.
"""

RESOLVED: Final = "resolved"
REJECTED: Final = "rejected"
"""The two outcomes."""

STARTED: Final = "started"
"""On a step: when it began, in milliseconds since the epoch."""

SIGNAL: Final = "signal"
"""On the promise of a signal: its name."""

SLEEP: Final = "resonate:timeout"
"""The server's own, on a sleep: the promise resolves at its deadline."""

PROGRESS: Final = "progress"
"""On a report of progress: `<done>/<total>`."""

REPORTED: Final = "reported"
"""On everything a claim creates after a report of progress: the latest report."""

WORKER: Final = "worker"
"""On everything a claim creates: the name of the worker."""

CLAIM: Final = "claim"
"""On everything a claim creates: `<task>/<counter>`, which no two claims share."""

ATTEMPT: Final = "attempt"
"""On everything a claim creates: the number of the execution's attempt."""

RECORD: Final = "record"
"""On the record of a start, which answers to clients do not show: the execution's id."""

FAILED_TRY: Final = "failed_try"
"""On the record of a step's failed try: its failure as JSON, of which `attempts` is the try's
number. The promise times out when the next try begins."""

RECOVERED_FROM: Final = "recovered_from"
"""On everything a claim creates after a recovery: the worker that held the execution before."""

VERSION: Final = "version"
"""On an execution, and on a child: the version of its function."""

POSITION: Final = "position"
"""On everything a claim creates: the highest number that the execution has reached, as text."""

AWAITS: Final = "awaits"
"""On the record of a wait for a signal, `<id>.<n>`: the signal's name."""

NUMBER: Final = "number"
"""On a signal's promise and on the record of a wait for it: which value of that name, from 1 on."""

CHANGED: Final = "changed"
"""On the record of `context.changed(name)`, `<id>.<n>`: the name."""

REFUSED: Final = "refused"
"""On the record `<id>.<n>` of a child that the worker could not begin: its function's name."""

BLOCKED: Final = "blocked"
"""On the record `<id>.blocked.<k>` of a worker whose code does not fit what is stored: JSON with
`expected`, what is stored, `found`, what the code asks for, and `version`, that of the execution.
The record is pending while the execution is blocked; the worker that goes on, or ends it, resolves
it."""

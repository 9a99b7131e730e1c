"""Rules for schemathesis that no schema can express.

It loads this into its process. Only what fits the document is changed, and only to what fits it as
well, so that whatever is wrong with a request stays wrong.
"""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from typing import TYPE_CHECKING, Any, Final

import schemathesis

from gateway.model.fields import PHASES
from shared import durations
from shared.ids import is_execution_id
from shared.resonate.states import STATUS
from tests.support.catalog import CATALOG

if TYPE_CHECKING:
    from schemathesis import Case, CheckContext, HookContext, Response

WAIT: Final = int(os.environ["LONGEST_WAIT"])
"""Seconds; a request may wait longer, but then the run takes longer as well."""

FUNCTION: Final = os.environ["FUNCTION"]
"""The one that /begin is tried with."""

RANGES: Final = {"timeout": (1, 365 * 86400), "delay": (0, 30 * 86400), "wait": (0, WAIT)}
"""Seconds that count."""

PENDING_LEFT_OUT: Final = frozenset({"/cancel", "/events"})
"""The first would leave none for other requests, the second's stream would not end."""

INTEGERS: Final = range(-(2**63), 2**64)
PREFERRED_WAIT: Final = re.compile(r"wait=\d{1,9}")
OWN_ID: Final = re.compile(r"[0-9a-f]{24}")
KEY: Final = re.compile(r'[A-Za-z0-9_-]{1,128}|"[A-Za-z0-9_-]{1,128}"')


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Keep a request to what the document says in words."""
    query = case.query
    for name, (least, most) in RANGES.items():
        if isinstance(query.get(name), str):
            query[name] = _in_range(query[name], least, most)
    if case.operation.path == "/list":
        _match_filters(query)
    if isinstance(query.get("cursor"), str):
        del query["cursor"]  # it is the service's own, and none of ours fits by chance
    if PREFERRED_WAIT.fullmatch(str(case.headers.get("Prefer"))):
        case.headers["Prefer"] = f"wait={WAIT}"
    exact = _exact(case.body)
    if exact != case.body:
        case.body = exact
    if case.operation.path == "/begin":
        if CATALOG.default != FUNCTION:
            # Asked for in the document of one function, where the service would take its default.
            query.setdefault("function", "none")
        _own_id(case)
    elif _is_id(query.get("id")) and not OWN_ID.fullmatch(query["id"]):
        query["id"] = _job_for(case)


def _match_filters(query: dict[str, Any]) -> None:
    """Keep filters of the list to those that go together."""
    if "version" in query:
        query.setdefault("function", CATALOG.default)
    if query.get("phase") in PHASES and query.get("status") in STATUS.values():
        query["status"] = "pending"


def _job_for(case: Case[Any]) -> str:
    """Return the id of an execution of some status, or the id that was generated."""
    jobs = [*os.environ["JOBS"].split(), case.query["id"]]
    if case.operation.path in PENDING_LEFT_OUT:
        jobs.remove("pending")
    chosen = zlib.crc32(repr((case.query, dict(case.headers))).encode()) % len(jobs)
    return str(jobs[chosen])


def _in_range(text: str, least: int, most: int) -> str:
    """Return a duration within the range; a text that is no duration stays as it is."""
    try:
        seconds = durations.parse(text)
    except ValueError:
        return text
    return text if least <= seconds <= most else f"{least}s"


def _exact(value: Any) -> Any:
    """Return JSON without integers of more than 64 bits."""
    match value:
        case dict():
            return {key: _exact(item) for key, item in value.items()}
        case list():
            return [_exact(item) for item in value]
        case int() if value not in INTEGERS:
            return 0
        case _:
            return value


def _is_id(given: object) -> bool:
    return isinstance(given, str) and is_execution_id(given)


def _own_id(case: Case[Any]) -> None:
    """Give each function and input an id of their own, or the first to use one would keep it."""
    what = repr((case.query.get("function"), case.media_type, case.body))
    id = hashlib.sha256(what.encode()).hexdigest()[:24]
    if _is_id(case.query.get("id")):
        case.query["id"] = id
    if KEY.fullmatch(str(case.headers.get("Idempotency-Key"))):
        case.headers["Idempotency-Key"] = id


@schemathesis.check
def only_the_workflow_fails(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """A 5xx is the outcome of an execution, never a failure of the service."""
    if response.status_code >= 500:
        assert response.headers.get("error-source") == ["workflow"], "a 5xx of the gateway's own"

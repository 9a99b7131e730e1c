"""Parts of operations: parameters, headers, bodies, answers, problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.api.parameters import LONGEST_WAIT
from gateway.backend.values import LOST
from gateway.http.answers.problems import DETAILS as HTTP_DETAILS
from gateway.http.answers.problems import REPORT_TO_OPERATOR
from gateway.openapi.samples import CANCELLATION, FAILURE, TIMED_OUT
from gateway.openapi.schemas import PROBLEMS, problem_name
from gateway.openapi.struct_schemas import ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.openapi.struct_schemas import Schema
    from shared.catalog import Catalog

type Block = dict[str, Any]

REQUEST_ID: Final = "3f2b8c1d5e6f47a890b1c2d3e4f5a6b7"
JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"


def _header(description: str, schema: Schema, *, always: bool = True) -> Block:
    return {"description": description, "required": always, "schema": schema}


HEADERS: Final[Mapping[str, Block]] = {
    "X-Request-Id": _header(
        "The request's id, as the client sent it or minted here; in every log line.",
        {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
    ),
    "Cache-Control": _header("How long the answer may be kept.", {"type": "string"}),
    "ETag": _header(
        "The content's entity tag, for If-None-Match.",
        {"type": "string", "pattern": '^(W/)?"[0-9a-f-]+"$'},
    ),
    "Location": _header("Where to poll.", {"type": "string", "pattern": r"^/wait\?id="}),
    "Retry-After": _header(
        "Seconds to wait before retrying.", {"type": "integer", "minimum": 1}, always=False
    ),
    "Allow": _header("The methods that the path takes.", {"type": "string"}),
    "WWW-Authenticate": _header("The scheme of the token.", {"const": "Bearer"}),
    "Content-Security-Policy": _header("What the page may load and do.", {"type": "string"}),
    "Idempotent-Replayed": _header(
        "`true` if the execution existed before.", {"const": "true"}, always=False
    ),
    "Preference-Applied": _header(
        "The wait that was applied.", {"type": "string", "pattern": "^wait=[0-9]+$"}, always=False
    ),
}
"""Headers of answers."""


def headers(*names: str) -> Block:
    """Return these headers, and X-Request-Id, which every answer has."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def query(
    name: str, description: str, schema: Schema, *, required: bool = False, **also: Any
) -> Block:
    """Return a query parameter; `also` may hold an `example`, and its `style`."""
    where = {"name": name, "in": "query", "required": required}
    return {**where, "description": description, "schema": schema, **also}


def header(name: str, description: str, schema: Schema, **also: Any) -> Block:
    """Return an optional request header."""
    where = {"name": name, "in": "header", "required": False}
    return {**where, "description": description, "schema": schema, **also}


def function_example(catalog: Catalog) -> Block:
    """Return the example of a parameter that is the name of a function, if there is any."""
    name = catalog.default or next(iter(catalog.public), None)
    return {} if name is None else {"example": name}


EXECUTIONS: Final = ["executions"]
"""Tags of operations on executions."""

ID: Final = query("id", "The execution's id.", ref("id"), required=True, example="job-1")

PREFER: Final = header(
    "Prefer",
    f"`wait=N` (RFC 7240): answer at the end, or after N s, {LONGEST_WAIT} at most.",
    {"type": "string"},
    example="wait=5",
)

IF_NONE_MATCH: Final = header("If-None-Match", "The `ETag` of a copy.", {"type": "string"})


def body(description: str, schema: Schema, examples: Mapping[str, Any]) -> Block:
    """Return an optional JSON body."""
    content = {"schema": schema, "examples": as_examples(examples)}
    return {"description": description, "required": False, "content": {JSON: content}}


def as_examples(examples: Mapping[str, Any]) -> Block:
    """Return examples in the form of the document."""
    return {name: {"value": value} for name, value in examples.items()}


def answer(
    description: str,
    schema: Schema | None = None,
    *header_names: str,
    kind: str = JSON,
    examples: Mapping[str, Any] | None = None,
    links: Block | None = None,
) -> Block:
    """Return an answer; without a schema it has no body."""
    block: Block = {"description": description, "headers": headers(*header_names)}
    if schema is not None:
        shown = {"examples": as_examples(examples)} if examples else {}
        block["content"] = {kind: {"schema": schema, **shown}}
    return {**block, "links": links} if links else block


DETAILS: Final[Mapping[str, str]] = {
    "invalid-request": "The parameter id is missing.",
    "unauthorized": "Send Authorization: Bearer with a token that this service knows.",
    "forbidden-origin": (
        "Pages of other origins may not call this gateway; GATEWAY_CORS_ORIGINS allows some."
    ),
    "forbidden-host": (
        "The Host is not a name of this gateway; GATEWAY_ALLOWED_HOSTS sets its names."
    ),
    "unknown-id": "No execution has this id.",
    "execution-canceled": "The execution was canceled; see /wait?id=job-1.",
    "execution-rejected": "The execution was rejected; see /wait?id=job-1.",
    "execution-timedout": "The execution timed out; see /wait?id=job-1.",
    "already-done": "The execution has ended: resolved.",
    "signal-conflict": "The execution has ended.",
    "payload-too-large": HTTP_DETAILS[413],
    "unsupported-media-type": "Send the body with Content-Type: application/json.",
    "id-reused": "This id already belongs to another function or another input.",
    "too-many-requests": "Too many clients wait here; try again a little later.",
    "overloaded": "Too many large answers are being sent; try again a little later.",
    "value-lost": LOST,
    "internal": REPORT_TO_OPERATOR,
    "backend-unavailable": "The Resonate server cannot be reached; repeat with the same id.",
}
"""Details of problems, for the examples."""

WITH_ID: Final = frozenset(
    {
        "unknown-id",
        "execution-canceled",
        "execution-rejected",
        "execution-timedout",
        "already-done",
        "signal-conflict",
        "id-reused",
        "too-many-requests",
        "value-lost",
    }
)
"""Problems with the execution's id."""


FAILURES: Final[Mapping[str, Any]] = {
    "execution-canceled": CANCELLATION,
    "execution-rejected": FAILURE,
    "execution-timedout": TIMED_OUT,
}
"""Examples of the `error` of problems that have one."""


def problem(path: str, slug: str, **also: Any) -> Block:
    """Return an example of a problem at a path; `also` are further members, or another detail."""
    kind = PROBLEMS[slug]
    return {
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "instance": path,
        "request_id": REQUEST_ID,
        **({"id": "job-1"} if slug in WITH_ID else {}),
        **({"error": FAILURES[slug]} if slug in FAILURES else {}),
        **(also if "detail" in also else {"detail": DETAILS[slug], **also}),
    }


def error_responses(path: str, *problems: str | Block) -> dict[str, Block]:
    """Return the answers for a route's problems by status; every route may fail with `internal`.

    A problem is a slug, or an example with more in it than the slug's own.
    """
    examples = [problem(path, each) if isinstance(each, str) else each for each in problems]
    examples.append(problem(path, "internal"))
    statuses = sorted({example["status"] for example in examples})
    return {
        str(status): _error_response([found for found in examples if found["status"] == status])
        for status in statuses
    }


def _error_response(examples: list[Block]) -> Block:
    slugs = [example["type"].rpartition("/")[2] for example in examples]
    schemas = [ref(problem_name(slug)) for slug in dict.fromkeys(slugs)]
    sources = sorted({_source(slug) for slug in slugs})
    special = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
    names = ("Cache-Control", *special.get(examples[0]["status"], ()))
    source = _header("Who failed. `workflow`: the execution itself failed.", {"enum": sources})
    return {
        "description": "; ".join(dict.fromkeys(PROBLEMS[slug].title for slug in slugs)),
        "headers": {**headers(*names), "Error-Source": source},
        "content": {
            PROBLEM_JSON: {
                "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
                "examples": as_examples(dict(zip(slugs, examples, strict=True))),
            }
        },
    }


def _source(slug: str) -> str:
    return "workflow" if slug.startswith("execution-") else "gateway"

"""What the resources' blocks are made of: parameters, headers, bodies, answers, problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gateway.openapi.schemas import PROBLEMS, Schema, problem_name, ref

if TYPE_CHECKING:
    from collections.abc import Mapping

type Block = dict[str, Any]

REQUEST_ID: Final = "3f2b8c1d5e6f47a890b1c2d3e4f5a6b7"
JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"


def _header(description: str, schema: Schema, *, always: bool = True) -> Block:
    return {"description": description, "required": always, "schema": schema}


HEADERS: Final[Mapping[str, Block]] = {
    "X-Request-Id": _header(
        "The client's own if it is sane, else ours; in every log line.",
        {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
    ),
    "Cache-Control": _header("How long the answer holds.", {"type": "string"}),
    "ETag": _header(
        "Goes into If-None-Match.", {"type": "string", "pattern": '^(W/)?"[0-9a-f-]+"$'}
    ),
    "Location": _header("Where to ask.", {"type": "string", "pattern": r"^/wait\?id="}),
    "Retry-After": _header(
        "Seconds until asking again pays.", {"type": "integer", "minimum": 1}, always=False
    ),
    "Allow": _header("The methods that the path takes.", {"type": "string"}),
    "WWW-Authenticate": _header("What is asked for.", {"const": "Bearer"}),
    "Content-Security-Policy": _header("What the page may do.", {"type": "string"}),
    "Idempotent-Replayed": _header(
        "There if the execution existed.", {"const": "true"}, always=False
    ),
    "Preference-Applied": _header(
        "The wait that counts.", {"type": "string", "pattern": "^wait=[0-9]+$"}, always=False
    ),
}
"""Headers of answers; those that are not required are there when they have something to say."""


def headers(*names: str) -> Block:
    """Return these headers, and the one that every answer has."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in ("X-Request-Id", *names)}


def query(
    name: str, description: str, schema: Schema, *, required: bool = False, **also: Any
) -> Block:
    """Return a query parameter; `also` may hold an `example` and how it is written."""
    where = {"name": name, "in": "query", "required": required}
    return {**where, "description": description, "schema": schema, **also}


def header(name: str, description: str, schema: Schema, **also: Any) -> Block:
    """Return a request header that may be left out."""
    where = {"name": name, "in": "header", "required": False}
    return {**where, "description": description, "schema": schema, **also}


def body(description: str, schema: Schema, examples: Mapping[str, Any]) -> Block:
    """Return a JSON body that may be left out."""
    content = {"schema": schema, "examples": named(examples)}
    return {"description": description, "required": False, "content": {JSON: content}}


def named(examples: Mapping[str, Any]) -> Block:
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
    """Return an answer of a content type; one without a schema has no body."""
    block: Block = {"description": description, "headers": headers(*header_names)}
    if schema is not None:
        shown = {"examples": named(examples)} if examples else {}
        block["content"] = {kind: {"schema": schema, **shown}}
    return {**block, "links": links} if links else block


DETAILS: Final[Mapping[str, str]] = {
    "invalid-request": "the parameter id is missing",
    "unauthorized": "send Authorization: Bearer with a token that this service knows",
    "unknown-id": "no execution has this id",
    "execution-canceled": "it ended canceled; /wait?id=job-1 says more",
    "execution-rejected": "it ended rejected; /wait?id=job-1 says more",
    "execution-timedout": "it ended timedout; /wait?id=job-1 says more",
    "already-done": "the execution has ended: resolved",
    "signal-conflict": "it was delivered with another value",
    "payload-too-large": "send a smaller body; GATEWAY_MAX_BODY sets the limit",
    "unsupported-media-type": "send the body with Content-Type: application/json",
    "id-reused": "this id already belongs to another function or another input",
    "too-many-requests": "too many clients wait here; try again a little later",
    "internal": "tell the operator the request_id",
    "backend-unavailable": "the server cannot be reached",
}
"""What problems say, for the examples."""

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
    }
)
"""Problems that name the execution."""


def problem(path: str, slug: str, **also: Any) -> Block:
    """Return a problem as `path` answers it; `also` are other members, or `detail`."""
    kind = PROBLEMS[slug]
    return {
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "instance": path,
        "request_id": REQUEST_ID,
        **({"id": "job-1"} if slug in WITH_ID else {}),
        **(also if "detail" in also else {"detail": DETAILS[slug], **also}),
    }


def refusals(path: str, *problems: str | Block) -> dict[str, Block]:
    """Return the answers for problems of a route, by status: slugs, or examples that say more.

    Every route may fail with `internal`.
    """
    examples = [problem(path, each) if isinstance(each, str) else each for each in problems]
    examples.append(problem(path, "internal"))
    statuses = sorted({example["status"] for example in examples})
    return {
        str(status): _refusal([found for found in examples if found["status"] == status])
        for status in statuses
    }


def _refusal(examples: list[Block]) -> Block:
    slugs = [example["type"].rpartition("/")[2] for example in examples]
    schemas = [ref(problem_name(slug)) for slug in dict.fromkeys(slugs)]
    sources = sorted({_source(slug) for slug in slugs})
    special = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
    names = ("Cache-Control", *special.get(examples[0]["status"], ()))
    source = _header("Who failed: the gateway, or the execution.", {"enum": sources})
    return {
        "description": "; ".join(dict.fromkeys(PROBLEMS[slug].title for slug in slugs)),
        "headers": {**headers(*names), "Error-Source": source},
        "content": {
            PROBLEM_JSON: {
                "schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas},
                "examples": named(dict(zip(slugs, examples, strict=True))),
            }
        },
    }


def _source(slug: str) -> str:
    return "workflow" if slug.startswith("execution-") else "gateway"

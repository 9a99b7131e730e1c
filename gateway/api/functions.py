"""GET /functions: what clients can begin."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from msgspec import Meta, Struct

from gateway.api.keys import CATALOG
from gateway.http.answers.responses import Content, tagged_response
from gateway.model.fields import Name, Version

if TYPE_CHECKING:
    from gateway.inputs.served_catalog import ServedCatalog
    from shared.catalog import Function


class FunctionBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function: the version of it that is begun, and which others there are."""

    name: Name
    version: Version
    versions: Annotated[list[int], Meta(description="All versions, the newest last.")]
    summary: str
    timeout_seconds: (
        Annotated[float, Meta(description="Where a client gives none; null for the default.")]
        | None
    )
    default_input: Annotated[Any, Meta(description="The input where a client sends no body.")]
    input_schema: Annotated[dict[str, Any], Meta(description="A JSON Schema of the inputs.")]
    signals: Annotated[list[str], Meta(description="The signals that it declares to wait for.")]


class FunctionsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The functions that a client can begin; `default` is begun when it names none."""

    default: str | None
    functions: list[FunctionBody]


async def listed(request: web.Request) -> web.Response:
    """Answer the functions that can be begun, by their names."""
    content = _content_of(request.app[CATALOG].served)
    return await tagged_response(request, content, {"Cache-Control": "no-cache"})


@functools.lru_cache(1)
def _content_of(served: ServedCatalog) -> Content:
    """Return the content, which is made once for each catalog."""
    catalog = served.catalog
    versions: dict[str, list[int]] = {}
    for name, version in sorted(catalog.versions):
        versions.setdefault(name, []).append(version)
    found = [_body(each, versions[name]) for name, each in sorted(catalog.public.items())]
    return Content.of_json(FunctionsBody(default=catalog.default, functions=found))


def _body(function: Function, versions: list[int]) -> FunctionBody:
    return FunctionBody(
        name=function.name,
        version=function.version,
        versions=versions,
        summary=function.summary,
        timeout_seconds=function.timeout_seconds,
        default_input=function.default_input,
        input_schema=dict(function.input_schema),
        signals=list(function.signals),
    )


ROUTES = (web.get("/functions", listed),)

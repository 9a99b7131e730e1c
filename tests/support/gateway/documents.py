"""The OpenAPI document as clients read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from gateway.inputs.validation import Validation
from gateway.openapi.document import document
from tests.support.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog import Catalog


METHODS: Final = {"get", "post", "put", "patch", "delete", "options", "head", "trace"}


def published(*, secured: bool = True, webhooks: bool = True, catalog: Catalog = CATALOG) -> Any:
    """Return the document as clients read it."""
    made = document(catalog, Validation(catalog), secured=secured, webhooks=webhooks)
    return orjson.loads(orjson.dumps(made))


def operations(found: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield every operation with its method and path."""
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def examples(found: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield where an example stands, its schema, and its value."""
    for method, path, operation in operations(found):
        for parameter in operation.get("parameters", ()):
            if "example" in parameter:
                where = f"{method} {path} {parameter['name']}"
                yield where, parameter["schema"], parameter["example"]
        bodies = {"body": operation.get("requestBody", {}), **operation["responses"]}
        for where, body in bodies.items():
            for content in body.get("content", {}).values():
                for name, example in content.get("examples", {}).items():
                    yield f"{method} {path} {where} {name}", content["schema"], example["value"]

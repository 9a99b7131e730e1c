"""The OpenAPI document of users' catalogs, whatever functions and schemas they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs
import orjson
import pytest
from openapi_spec_validator import validate

from gateway.openapi.schemas import embedded
from shared.catalog import Catalog, Function
from tests.support.gateway.documents import examples, published

if TYPE_CHECKING:
    from collections.abc import Mapping

ITEM: Final = {"type": "object", "properties": {"sku": {"type": "string"}}, "required": ["sku"]}
NESTED: Final = {
    "$ref": "#/$defs/Order",
    "$defs": {
        "Order": {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
                "parent": {"anyOf": [{"$ref": "#/$defs/Order"}, {"type": "null"}]},
            },
            "required": ["items"],
        },
        "Item": ITEM,
    },
}
CATALOG: Final = Catalog.of(
    Function("order", 1, "Was public.", input_schema={"const": "former"}),
    Function(
        "order",
        2,
        "Orders.",
        timeout_seconds=604_799.5,
        input_schema=NESTED,
        signals=("approval", "paid"),
    ),
    Function("checkout", 1, "Is not the one that ships.", input_schema={"type": "string"}),
    Function("plain", 1, "Takes anything.", default_input=[1]),
    Function("hidden", 7, "Is for other functions.", private=True),
)
CATALOGS: Final = {
    "without a default": CATALOG,
    "with a default": Catalog.of(*CATALOG.versions.values(), default="plain"),
    "private": Catalog.of(CATALOG.functions["hidden"]),
}


def begin(catalog: Catalog) -> Any:
    """Return the operation of POST /begin."""
    return published(catalog=catalog)["paths"]["/begin"]["post"]


def parameter(catalog: Catalog, name: str) -> dict[str, Any]:
    """Return a parameter of POST /begin."""
    (found,) = (each for each in begin(catalog)["parameters"] if each["name"] == name)
    return dict(found)


@pytest.mark.parametrize("name", CATALOGS)
def test_the_document_is_valid(name: str) -> None:
    """The document is OpenAPI 3.1, and its examples fit their schemas, with any catalog."""
    found = published(catalog=CATALOGS[name])

    validate(found)
    for where, schema, value in examples(found):
        whole = {**schema, "components": found["components"]}
        assert jsonschema_rs.is_valid(whole, value), where


def test_a_private_function_is_not_in_the_document() -> None:
    """Neither its name nor its summary is anywhere."""
    for catalog in CATALOGS.values():
        text = orjson.dumps(published(catalog=catalog)).decode()
        assert "hidden" not in text
        assert "for other functions" not in text


def test_the_function_is_required_without_a_default() -> None:
    """The parameter says which function is begun without it, or that it must be there."""
    without, default = (parameter(CATALOGS[f"with{x} a default"], "function") for x in ("out", ""))

    assert (without["required"], without["example"]) == (True, "order")
    assert (default["required"], default["example"]) == (False, "plain")
    assert without["description"].startswith("The function to run.\n")
    assert default["description"].startswith("The function to run; `plain` by default.\n")


def test_a_functions_line_says_what_it_declares() -> None:
    """The list of functions has their summaries, their timeouts and the signals they wait for."""
    lines = parameter(CATALOG, "function")["description"].splitlines()[2:]

    also = "Its timeout is 604800 s by default. Waits for signals: `approval`, `paid`."
    assert lines == [
        f"- `order`: Orders. {also}",
        "- `checkout`: Is not the one that ships.",
        "- `plain`: Takes anything.",
    ]


def test_only_inputs_that_are_taken_are_shown() -> None:
    """A default that the schema does not take is no default of the document, and no example."""
    schemas = published(catalog=CATALOG)["components"]["schemas"]
    shown = begin(CATALOG)["requestBody"]["content"]["application/json"]["examples"]

    assert shown == {"plain": {"value": [1]}}
    assert "default" not in schemas["input-order"]
    assert schemas["input-plain"]["default"] == [1]


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"items": [{"sku": "a"}]}, True),
        ({"items": [{"sku": 1}]}, False),
        ({"items": [], "parent": {"items": [], "parent": None}}, True),
        ({"items": [], "parent": {}}, False),
        (None, False),
    ],
)
def test_a_schemas_own_references_lead_to_its_parts(value: object, fits: bool) -> None:  # noqa: FBT001
    """A schema with definitions takes in the document what it takes by itself."""
    components = published(catalog=CATALOG)["components"]
    schema = {"$ref": "#/components/schemas/input-order", "components": components}

    assert jsonschema_rs.is_valid(NESTED, value) is fits
    assert jsonschema_rs.is_valid(schema, value) is fits


@pytest.mark.parametrize(
    ("schema", "moved"),
    [
        ({"$ref": "#"}, {"$ref": "#/at"}),
        ({"$ref": "#/$defs/a"}, {"$ref": "#/at/$defs/a"}),
        ({"$ref": "#anchor"}, {"$ref": "#anchor"}),
        ({"$ref": "https://a.example/b"}, {"$ref": "https://a.example/b"}),
        ({"allOf": [{"$ref": "#"}, True]}, {"allOf": [{"$ref": "#/at"}, True]}),
        ({"not": {"items": {"$ref": "#"}}}, {"not": {"items": {"$ref": "#/at"}}}),
        ({"properties": {"const": {"$ref": "#"}}}, {"properties": {"const": {"$ref": "#/at"}}}),
        ({"properties": {"$ref": {"$ref": "#"}}}, {"properties": {"$ref": {"$ref": "#/at"}}}),
        ({"properties": {"$id": {"$ref": "#"}}}, {"properties": {"$id": {"$ref": "#/at"}}}),
        ({"const": {"$ref": "#"}}, {"const": {"$ref": "#"}}),
        ({"enum": [{"$ref": "#"}]}, {"enum": [{"$ref": "#"}]}),
        ({"default": {"$ref": "#"}}, {"default": {"$ref": "#"}}),
        ({"$id": "urn:a", "not": {"$ref": "#"}}, {"$id": "urn:a", "not": {"$ref": "#"}}),
    ],
)
def test_references_are_moved_where_they_are_references(
    schema: Mapping[str, Any], moved: Mapping[str, Any]
) -> None:
    """Data, anchors, other documents, and schemas with an id of their own stay as they are."""
    assert embedded(schema, "#/at") == moved

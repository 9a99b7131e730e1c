"""Schemas of JSON bodies, made from the structs that declare them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.model import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

type Schema = dict[str, Any]

NULL: Final[Schema] = {"type": "null"}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the document's components."""
    return {"$ref": f"#/components/schemas/{name}"}


@dataclass(frozen=True)
class Variant:
    """One form of a body: fields with a schema of their own, always there, or never there."""

    fields: Mapping[str, Schema]
    required: tuple[str, ...] = ()
    absent: frozenset[str] = field(default_factory=frozenset)


class StructSchemas:
    """Makes schemas of structs; nested structs are in place, or references by their name here.

    The result is plain JSON Schema as a person would write it: no titles, no `anyOf` where a list
    of types says the same.
    """

    def __init__(self, names: Mapping[type[msgspec.Struct], str]) -> None:
        self._names = {struct.__name__: name for struct, name in names.items()}

    def of(self, struct: type[msgspec.Struct]) -> Schema:
        """Return the schema of a struct."""
        _, definitions = msgspec.json.schema_components([struct], ref_template="{name}")
        return self._plain(definitions[struct.__name__], definitions)

    def variant(self, struct: type[msgspec.Struct], variant: Variant) -> Schema:
        """Return the schema of one form of a struct."""
        whole = self.of(struct)
        properties = {
            name: schema
            for name, schema in whole["properties"].items()
            if name not in variant.absent
        }
        required = [name for name in properties if name in {*whole["required"], *variant.required}]
        return {**whole, "properties": {**properties, **variant.fields}, "required": required}

    def _plain(self, schema: Schema, definitions: Mapping[str, Schema]) -> Schema:  # noqa: PLR0911
        match schema:
            case {fields.COMPONENT: str(name)}:
                return ref(name)
            case {"$ref": str(name)} if name in self._names:
                return ref(self._names[name])
            case {"$ref": str(name)}:
                return self._plain(definitions[name], definitions)
            case {"enum": values}:
                return {"enum": values}
            case {"anyOf": [other, {"type": "null"}]}:
                return _nullable({**schema, **self._plain(other, definitions)})
            case {"type": "object", "properties": properties}:
                plain = {name: self._plain(each, definitions) for name, each in properties.items()}
                kept = {"type", "required", "additionalProperties"}
                return {"properties": plain} | {k: v for k, v in schema.items() if k in kept}
            case {"type": "array", "items": items}:
                return {**schema, "items": self._plain(items, definitions)}
            case _:
                return schema


def _nullable(schema: Schema) -> Schema:
    """Return the schema with null as another value."""
    del schema["anyOf"]
    if "type" not in schema:
        return {"oneOf": [schema, NULL]}
    return {**schema, "type": [schema["type"], "null"]}

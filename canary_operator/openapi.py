"""From pydantic's JSON schema to the structural OpenAPI schema of a CustomResourceDefinition.

A CRD knows no references, no `null` type and no `additionalProperties: false`, and wants one type
for each value. What this does not know how to say in a CRD is an error, never left out silently.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

NULL = {"type": "null"}
IMPLIED: tuple[tuple[str, Any], ...] = (("additionalProperties", False), ("properties", {}))
DROPPED = frozenset({"title", "default", "$defs"})
KEPT = frozenset(
    {
        "type",
        "format",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "maxProperties",
        "required",
    }
)
EXTENSION = "x-kubernetes-"
FIRST = ("description", "type", "format", "required", "properties", "items")


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of what users or the operator write for `model`.

    Raises:
        ValueError: a field says something that a CRD cannot express.
    """
    schema = model.model_json_schema(by_alias=True)
    return _convert(schema, schema.get("$defs", {}))


def _convert(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    schema = _without_indirection(schema, definitions)
    result: dict[str, Any] = {}
    for keyword, value in sorted(schema.items(), key=_reading_order):
        result |= _convert_keyword(keyword, value, definitions)
    if result.get("type") == "array":
        result.setdefault("x-kubernetes-list-type", "atomic")
    return result


def _reading_order(item: tuple[str, Any]) -> tuple[int, str]:
    keyword = item[0]
    return (FIRST.index(keyword) if keyword in FIRST else len(FIRST), keyword)


def _without_indirection(
    schema: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Replace references and `X or null`; what stands beside them wins over what is in X."""
    if "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _without_indirection(
            {**definitions[schema["$ref"].rsplit("/", 1)[-1]], **beside}, definitions
        )
    if NULL in schema.get("anyOf", ()):
        (one,) = (option for option in schema["anyOf"] if option != NULL)
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**_without_indirection(one, definitions), **beside}
    return schema


def _convert_keyword(keyword: str, value: Any, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    match keyword, value:
        case "const", _:
            return {"enum": [value]}
        case "additionalProperties", True:
            return {f"{EXTENSION}preserve-unknown-fields": True}
        case _ if keyword in DROPPED or (keyword, value) in IMPLIED:
            return {}
        case _ if keyword in KEPT or keyword.startswith(EXTENSION):
            return {keyword: value}
        case _:
            return {keyword: _convert_inside(keyword, value, definitions)}


def _convert_inside(keyword: str, value: Any, definitions: Mapping[str, Any]) -> Any:
    match keyword:
        case "description":
            return " ".join(value.split("\n\n")[0].split())
        case "properties":
            return {name: _convert(one, definitions) for name, one in value.items()}
        case "items" | "additionalProperties":
            return _convert(value, definitions)
        case _:
            raise ValueError(f"a CRD cannot express {keyword}: {value}")

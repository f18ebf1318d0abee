"""Values from an OpenAPI schema: what it allows, close to its bounds as often as inside of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]
Values = st.SearchStrategy[Any]

INT_OR_STRING = "x-kubernetes-int-or-string"
PRESERVED = "x-kubernetes-preserve-unknown-fields"
FEW = 3
"""Entries of a generated list or map, where the schema lets it be short."""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""Any text that UTF-8 can say."""

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | TEXT,
    lambda inside: st.lists(inside, max_size=FEW) | st.dictionaries(TEXT, inside, max_size=FEW),
    max_leaves=6,
)
"""Any JSON."""

WORDS = (
    *("http", "grpc-web-1", "tcp", "httpx", "auto", "mesh", "ns/gate", "a.example.com", "*.b.io"),
    *("5s", "1m30s", "720h", "500ms", "0.5s", "1%", "0.5%", "99.999999%", "100%", "0%", "1.5", "7"),
)
"""Texts that mean something somewhere in the resource."""

TIMES = (
    *("0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2026-01-01T00:00:08Z"),
    *("2026-01-01T00:00:00.123456789Z", "2026-01-01T13:00:00+14:00", "2026-12-31T23:59:60Z"),
    *("2100-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"),
)


def values(schema: Schema) -> Values:
    """Return what a schema allows; rules across fields may still refuse it."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get(INT_OR_STRING):
        return st.sampled_from([1, 80, 999, 1000, 65535, 65536]) | _texts(schema)
    return _OF_TYPE[schema.get("type", "any")](schema)


def _numbers(schema: Schema) -> Values:
    low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31)
    edges = st.sampled_from([low, low + 1, (low + high) // 2, high - 1, high])
    return edges | st.integers(low, min(high, low + 100))


def _fractions(schema: Schema) -> Values:
    low, high = schema.get("minimum", -1e300), schema.get("maximum", 1e300)
    return _numbers(schema) | st.sampled_from([low, high]) | st.floats(low, high)


def _texts(schema: Schema) -> Values:
    if schema.get("format") == "date-time":
        return st.sampled_from(TIMES)
    pattern, most = schema.get("pattern"), schema.get("maxLength", 40)
    words = st.sampled_from(WORDS)
    if pattern is None:
        return words | TEXT | st.just("x" * most)
    return words | st.from_regex(pattern).filter(lambda text: len(text) <= most)


def _lists(schema: Schema) -> Values:
    least = schema.get("minItems", 0)
    return st.lists(values(schema["items"]), min_size=least, max_size=least + FEW)


def _objects(schema: Schema) -> Values:
    properties, required = schema.get("properties", {}), schema.get("required", ())
    if "additionalProperties" in schema:
        return st.dictionaries(TEXT, values(schema["additionalProperties"]), max_size=FEW)
    fields = st.fixed_dictionaries(
        {name: values(properties[name]) for name in required},
        optional={name: values(one) for name, one in properties.items() if name not in required},
    )
    if not schema.get(PRESERVED):
        return fields
    further = st.dictionaries(TEXT, ANYTHING, max_size=FEW)
    return st.builds(lambda known, unknown: {**unknown, **known}, fields, further)


_OF_TYPE: Mapping[str, Any] = {
    "any": lambda _: ANYTHING,
    "array": _lists,
    "boolean": lambda _: st.booleans(),
    "integer": _numbers,
    "number": _fractions,
    "object": _objects,
    "string": _texts,
}


def places(value: Any, schema: Schema, here: Place = ()) -> Iterator[tuple[Place, Schema]]:
    """Yield every place of an object: what is there, and what the schema lets be there."""
    yield here, schema
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in {**known, **value}:
            inside = known.get(name, schema.get("additionalProperties", {}))
            yield from places(value.get(name), inside, (*here, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, schema.get("items", {}), (*here, index))

"""What values.yaml says about its values: the source of the chart's tables and descriptions.

The comment right above a value documents it. `## …` begins a section of the table.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_SECTION = re.compile(r"## (.+)")
_COMMENT = re.compile(r" *# (.+)")
_KEY = re.compile(r"( *)([A-Za-z_][\w-]*):")

Schema = dict[str, Any]


class UndocumentedValueError(ValueError):
    """A value without a comment above it or above one of its parents."""


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value of the chart."""

    path: tuple[str, ...]
    default: Any
    description: str
    section: str

    @property
    def name(self) -> str:
        """Its name as `--set` takes it."""
        return ".".join(self.path)


def documented_values(text: str) -> list[Value]:
    r"""Return the values of `text`, a values.yaml, in their order.

    Raises:
        UndocumentedValueError: a value has no comment.

    Example:
        >>> documented_values("## Size\n\n# Pods.\nreplicas: 2\n")
        [Value(path=('replicas',), default=2, description='Pods.', section='Size')]
    """
    values = list(_commented(text, yaml.safe_load(text)))
    documented = {value.path for value in values}
    for path in _leaves(yaml.safe_load(text)):
        if not any(path[:length] in documented for length in range(1, len(path) + 1)):
            raise UndocumentedValueError(f"values.yaml: {'.'.join(path)} has no comment above it")
    return values


def _commented(text: str, defaults: Any) -> Iterator[Value]:
    section, comment = "", list[str]()
    parents: list[tuple[int, str]] = []
    for line in text.splitlines():
        if begun := _SECTION.fullmatch(line):
            section = begun[1]
        elif said := _COMMENT.fullmatch(line):
            comment.append(said[1])
        elif key := _KEY.match(line):
            indent = len(key[1])
            parents = [each for each in parents if each[0] < indent] + [(indent, key[2])]
            path = tuple(name for _, name in parents)
            if comment:
                yield Value(path, _at(defaults, path), " ".join(comment), section)
            comment = []
        else:
            comment = []


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, below in tree.items():
        if isinstance(below, dict) and below:
            yield from _leaves(below, (*above, key))
        else:
            yield (*above, key)


def described(schema: Schema, values: list[Value]) -> Schema:
    """Return `schema` with the description of every value.

    Raises:
        KeyError: the schema does not know a value.
    """
    for value in values:
        above, parent = schema, value.path[:-1]
        for key in parent:
            above = above["properties"][key]
        known = above["properties"][value.path[-1]]
        rest = {key: part for key, part in known.items() if key != "description"}
        above["properties"][value.path[-1]] = {"description": value.description, **rest}
    return schema


def table(values: list[Value], schema: Schema) -> str:
    """Return the values as Markdown: a heading and a table for each section."""
    parts: list[str] = []
    for section in dict.fromkeys(value.section for value in values):
        rows = [_row(value, schema) for value in values if value.section == section]
        heading = f"### {section}\n\n| value | type | default | meaning |\n|---|---|---|---|"
        parts.append("\n".join([heading, *rows]))
    return "\n\n".join(parts)


def _row(value: Value, schema: Schema) -> str:
    default = json.dumps(value.default, ensure_ascii=False)
    shown = "" if value.default == "" else f"`{default}`"
    meaning = value.description.replace("|", "\\|")
    return f"| `{value.name}` | {_kind(schema, value.path)} | {shown} | {meaning} |"


def _kind(schema: Schema, path: tuple[str, ...]) -> str:
    part = schema
    for key in path:
        part = part["properties"][key]
    if "$ref" in part:
        part = schema["definitions"][part["$ref"].rpartition("/")[2]]
    kinds = part.get("type", "string")
    words = {"array": "list", "object": "map"}
    return " or ".join(words.get(k, k) for k in ([kinds] if isinstance(kinds, str) else kinds))

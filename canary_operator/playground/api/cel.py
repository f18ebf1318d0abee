"""CEL rules of custom resources (`x-kubernetes-validations`), evaluated with cel-python.

Rules are collected once per definition into a tree that follows the schema, so that validating an
object walks only the parts that have rules. A rule that mentions `oldSelf` compares two states and
runs on updates only; every other rule is skipped where nothing changed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import celpy
from celpy import celtypes
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError

from canary_operator.playground.api.cel_functions import FUNCTIONS
from canary_operator.playground.api.errors import NOWHERE, Cause, shown
from canary_operator.playground.api.fields import keyed_items
from canary_operator.playground.api.formats import duration_seconds
from canary_operator.playground.api.jsontypes import json_type
from canary_operator.playground.api.objects import Object, Schema, parse_time, same

ABSENT = object()
MISFIT = object()
"""A whole number that is written with a fraction: rules that look at it fail, others do not."""
ENVIRONMENT = celpy.Environment()
TRANSITION = re.compile(r"\boldSelf\b")


@dataclass(frozen=True)
class Rule:
    """One entry of `x-kubernetes-validations`."""

    rule: str
    message: str = ""
    message_expression: str = ""
    field_path: str = ""
    reason: str = "FieldValueInvalid"
    optional_old: bool = False

    @property
    def is_transition(self) -> bool:
        """Tell whether the rule compares with the state before."""
        return TRANSITION.search(self.rule) is not None


@dataclass(frozen=True)
class RuleNode:
    """The rules of one part of a schema and of the parts below it."""

    schema: Schema
    rules: tuple[Rule, ...] = ()
    properties: Mapping[str, "RuleNode"] = field(default_factory=dict)
    items: "RuleNode | None" = None
    values: "RuleNode | None" = None


def collect(schema: Schema) -> RuleNode | None:
    """Return the rules of a schema, or `None` when it has none."""
    rules = tuple(_rule(entry) for entry in schema.get("x-kubernetes-validations") or ())
    found = {
        name: node
        for name, child in (schema.get("properties") or {}).items()
        if (node := collect(child)) is not None
    }
    items, values = (
        collect(schema[name]) if isinstance(schema.get(name), dict) else None
        for name in ("items", "additionalProperties")
    )
    if not (rules or found or items or values):
        return None
    return RuleNode(schema, rules, found, items, values)


def _rule(entry: Object) -> Rule:
    return Rule(
        rule=entry["rule"],
        message=entry.get("message", ""),
        message_expression=entry.get("messageExpression", ""),
        field_path=entry.get("fieldPath", ""),
        reason=entry.get("reason", "FieldValueInvalid"),
        optional_old=entry.get("optionalOldSelf", False),
    )


def check(obj: Object, node: RuleNode, old: Object | None) -> Iterator[Cause]:
    """Iterate over the rules that a custom object breaks."""
    before = ABSENT if old is None else _visible(old)
    yield from _check(_visible(obj), node, "", before)


def _visible(obj: Object) -> Object:
    """Return what rules at the root may see: of metadata only the name."""
    meta = obj.get("metadata") or {}
    names = {key: meta[key] for key in ("name", "generateName") if key in meta}
    return {**obj, "metadata": names}


def _check(value: Any, node: RuleNode, path: str, old: Any) -> Iterator[Cause]:
    if value is None:
        return
    yield from _check_rules(value, node, path, old)
    if isinstance(value, dict):
        for key, item in value.items():
            child = node.properties.get(key, node.values)
            if child is not None:
                was = old.get(key, ABSENT) if isinstance(old, dict) else ABSENT
                yield from _check(item, child, f"{path}.{key}" if path else key, was)
    elif isinstance(value, list) and node.items is not None:
        before = _correlated(old, node.schema)
        after = keyed_items(node.schema, value)
        for index, (key, item) in enumerate(after.items()):
            yield from _check(item, node.items, f"{path}[{index}]", before.get(key, ABSENT))


def _correlated(old: Any, schema: Schema) -> dict[str, Any]:
    """Return old items by key; items of other lists have no past."""
    known = schema.get("x-kubernetes-list-type") == "map" and isinstance(old, list)
    return keyed_items(schema, old) if known else {}


def _check_rules(value: Any, node: RuleNode, path: str, old: Any) -> Iterator[Cause]:
    unchanged = old is not ABSENT and same(value, old)
    due = [
        rule
        for rule in node.rules
        if (rule.is_transition and (old is not ABSENT or rule.optional_old))
        or (not rule.is_transition and not unchanged)
    ]
    if not due:
        return
    scope = {"self": to_cel(value, node.schema)}
    if old is not ABSENT:
        scope["oldSelf"] = to_cel(old, node.schema)
    for rule in due:
        yield from _judge(rule, scope, value, path)


def _judge(rule: Rule, scope: Mapping[str, Any], value: Any, path: str) -> Iterator[Cause]:
    quoted = "" if isinstance(value, dict | list) or rule.field_path else f"{shown(value)}: "
    where = path + _suffix(rule.field_path, path)
    try:
        holds = program(rule.rule).evaluate(dict(scope))
    except (CELEvalError, MisfitError) as error:
        text = f"{_reason(error)} evaluating rule: {rule.message or rule.rule}"
        kind = json_type(value)
        yield Cause("FieldValueInvalid", where or NOWHERE, f'Invalid value: "{kind}": {text}')
        return
    if not holds:
        text = _message(rule, scope)
        yield Cause(rule.reason, where or NOWHERE, _worded(rule.reason, quoted, text))


def _worded(reason: str, quoted: str, text: str) -> str:
    if reason == "FieldValueForbidden":
        return f"Forbidden: {text}"
    if reason == "FieldValueRequired":
        return f"Required value: {text}"
    if reason == "FieldValueDuplicate":
        return f"Duplicate value: {quoted or text}"
    return f"Invalid value: {quoted}{text}"


def _message(rule: Rule, scope: Mapping[str, Any]) -> str:
    if rule.message_expression:
        try:
            return str(program(rule.message_expression).evaluate(dict(scope)))
        except CELEvalError:  # the real server falls back in the same way
            pass
    return rule.message or f"failed rule: {rule.rule}"


def _suffix(field_path: str, path: str) -> str:
    return field_path if path else field_path.lstrip(".")


def _reason(error: Exception) -> str:
    match = re.search(r"no such member in mapping: '(.*?)'", str(error))
    return f"no such key: {match[1]}" if match else str(error.args[0])


class RuleSyntaxError(ValueError):
    """A rule cannot be parsed."""


@lru_cache(maxsize=2048)
def program(text: str) -> Any:
    """Return a rule ready to run.

    Raises:
        RuleSyntaxError: the rule cannot be parsed.
    """
    try:
        return ENVIRONMENT.program(ENVIRONMENT.compile(text), functions=FUNCTIONS)
    except CELParseError as error:
        raise RuleSyntaxError(str(error)) from error


class MisfitError(Exception):
    """A rule looks at a value that has another type than its schema says."""


class _Fields(celtypes.MapType):
    """An object whose values are judged when a rule looks at them, as on the real server."""

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        if value is MISFIT:
            raise MisfitError("invalid data, expected int, got float64")
        return value


def to_cel(value: Any, schema: Schema) -> Any:
    """Return a value in CEL's types, as the schema declares them."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        other = extra if isinstance(extra, dict) else {}
        return _Fields(
            {
                celtypes.StringType(key): to_cel(item, properties.get(key, other))
                for key, item in value.items()
            }
        )
    if isinstance(value, list):
        items = schema.get("items") or {}
        return celtypes.ListType([to_cel(item, items) for item in value])
    return _scalar_to_cel(value, schema)


def _scalar_to_cel(value: Any, schema: Schema) -> Any:
    if value is None or isinstance(value, bool):
        return json_to_cel(value)
    if isinstance(value, str):
        return _text_to_cel(value, schema.get("format", ""))
    if schema.get("type") == "integer" and isinstance(value, float):
        return MISFIT
    if schema.get("type") == "number" or isinstance(value, float):
        return celtypes.DoubleType(value)
    return celtypes.IntType(value)


def _text_to_cel(value: str, name: str) -> Any:
    try:
        if name == "date-time":
            return celtypes.TimestampType(parse_time(value))
        if name == "duration":
            return celtypes.DurationType(seconds=int(duration_seconds(value)))
    except ValueError:  # the schema has refused the text already
        pass
    return celtypes.StringType(value)

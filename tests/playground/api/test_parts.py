"""The pure parts: field sets, patches, quantities, paths, selectors, ages, formats, protobuf."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from canary_operator.playground.api import cel, fields, protobuf
from canary_operator.playground.api.ages import age, human_duration
from canary_operator.playground.api.apply import merge_applied, prune
from canary_operator.playground.api.builtin_schema import model_schema
from canary_operator.playground.api.errors import APIError
from canary_operator.playground.api.formats import duration_seconds, is_of_format
from canary_operator.playground.api.jsonpath import JSONPathError, find
from canary_operator.playground.api.kinds import builtins
from canary_operator.playground.api.patches import json_patch, merge
from canary_operator.playground.api.quantity import QuantityError, canonical_quantity
from canary_operator.playground.api.registry import version_rank
from canary_operator.playground.api.selectors import label_selector, matches_labels
from canary_operator.playground.api.strategic import strategic_merge
from canary_operator.playground.api.structural import prune as prune_unknown
from canary_operator.playground.api.structural import with_defaults
from canary_operator.playground.api.validation import validate

names = st.sampled_from(["f:a", "f:b", "f:c"])
trees: st.SearchStrategy[fields.Tree] = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(st.one_of(names, st.just(".")), inner, min_size=1).map(
        lambda tree: {k: ({} if k == "." else v) for k, v in tree.items()}
    ),
    max_leaves=8,
).map(lambda tree: {k: v for k, v in tree.items() if k != "."})


def members(tree: fields.Tree) -> set[tuple[str, ...]]:
    return set(fields.leaves(tree))


@given(trees, trees)
def test_field_sets_behave_as_sets(left: fields.Tree, right: fields.Tree) -> None:
    assert members(fields.union(left, right)) == members(left) | members(right)
    assert members(fields.difference(left, right)) == members(left) - members(right)
    assert members(fields.intersection(left, right)) == members(left) & members(right)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from("xy")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from("abc"), json_values)


@given(objects, objects)
def test_applying_twice_is_applying_once(live: Any, applied: Any) -> None:
    once = merge_applied(live, applied, {})
    assert merge_applied(once, applied, {}) == once


@given(objects)
def test_dropping_everything_that_nobody_owns_leaves_nothing(value: Any) -> None:
    assert prune(value, {}, fields.owned_by_value(value, {}), {}) is None


def alike(left: Any, right: Any) -> bool:
    """Compare as the merge of Kubernetes does, for which a null map and an empty one are one."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(alike(left[key], right[key]) for key in left)
    return fields.same(left, right) or [left, right] in ([None, {}], [{}, None])


@given(objects, objects)
@example({"a": None}, {"a": {}})
def test_equal_objects_have_no_changes(left: Any, right: Any) -> None:
    changes = fields.compare(left, right, {})
    assert (changes == fields.Changes()) == alike(left, right)


@given(objects)
def test_merging_an_object_into_nothing_drops_its_nulls(value: Any) -> None:
    merged = merge({}, value)
    assert merge(merged, merged) == merged


@pytest.mark.parametrize(
    ("given_text", "canonical"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        (2, "2"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1500M", "1500M"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("0Mi", "0"),
        ("100u", "100u"),
        ("1.5Gi", "1536Mi"),
    ],
)
def test_quantities_are_canonical(given_text: Any, canonical: str) -> None:
    assert canonical_quantity(given_text) == canonical


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "1KB", "Mi"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError):
        canonical_quantity(text)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".a.b", [1]),
        (".a['b']", [1]),
        (".list[0].n", ["x"]),
        (".list[-1].n", ["y"]),
        (".list[*].n", ["x", "y"]),
        ('.list[?(@.n=="y")].v', [2]),
        (".list[?(@.v>1)].n", ["y"]),
        (".missing.b", []),
        (".dotted\\.key", ["d"]),
    ],
)
def test_json_paths(path: str, expected: list[Any]) -> None:
    items = [{"n": "x", "v": 1}, {"n": "y", "v": 2}]
    assert find({"a": {"b": 1}, "list": items, "dotted.key": "d"}, path) == expected


def test_a_path_that_cannot_be_read() -> None:
    with pytest.raises(JSONPathError):
        find({}, ".a[")


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({}, True),
        (None, False),
    ],
)
def test_label_selectors_of_objects(selector: Any, selected: bool) -> None:
    assert matches_labels(selector, {"a": "1"}) is selected


def test_a_selector_that_cannot_be_read() -> None:
    with pytest.raises(APIError):
        label_selector("a=b=c")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (130, "2m10s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (11000, "3h3m"),
        (9 * 3600, "9h"),
        (3 * 86400 + 3600, "3d1h"),
        (400 * 86400, "400d"),
        (3 * 365 * 86400, "3y"),
        (-1, "0s"),
        (-60, "<invalid>"),
    ],
)
def test_ages_are_short(seconds: int, expected: str) -> None:
    assert human_duration(seconds) == expected


def test_an_age_without_a_time() -> None:
    now = datetime.now(UTC)
    assert (age(None, now), age("never", now)) == ("<unknown>", "<invalid>")


def test_versions_in_the_order_of_kubernetes() -> None:
    given_names = ["v1alpha1", "foo", "v1", "v2", "v1beta2", "v10"]
    assert sorted(given_names, key=version_rank) == [
        "v10",
        "v2",
        "v1",
        "v1beta2",
        "v1alpha1",
        "foo",
    ]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date-time", "2024-01-01T00:00:00Z", "2024-01-01"),
        ("date", "2024-01-01", "yesterday"),
        ("duration", "1m30s", "soon"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("cidr", "10.0.0.0/8", "10.0.0.0"),
        ("hostname", "a.example.com", "-a"),
        ("uuid", "00000000-0000-0000-0000-000000000000", "0"),
        ("byte", "YQ==", "!"),
        ("unheard-of", "anything", None),
    ],
)
def test_formats(name: str, good: str, bad: str | None) -> None:
    assert is_of_format(good, name)
    assert bad is None or not is_of_format(bad, name)


def test_durations_in_seconds() -> None:
    assert duration_seconds("1h1m1.5s") == 3661.5


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3]}),
        ([{"op": "add", "path": "/l/0", "value": 0}], {"l": [0, 1, 2]}),
        ([{"op": "remove", "path": "/l/0"}], {"l": [2]}),
        ([{"op": "replace", "path": "/l/1", "value": 9}], {"l": [1, 9]}),
        ([{"op": "add", "path": "/a~1b", "value": 1}], {"l": [1, 2], "a/b": 1}),
        ([{"op": "replace", "path": "", "value": {}}], {}),
    ],
)
def test_json_patches(operations: Any, expected: Any) -> None:
    assert json_patch({"l": [1, 2]}, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/l/9", "value": 0},
        {"op": "add", "path": "l", "value": 0},
        {"op": "replace", "path": "/none", "value": 0},
        {"op": "remove", "path": "/l/x"},
        {"op": "test", "path": "/l/0", "value": True},
        {"op": "jump", "path": "/l"},
        {"op": "add"},
    ],
    ids=str,
)
def test_json_patches_that_cannot_be_applied(operation: Any) -> None:
    with pytest.raises(APIError) as refused:
        json_patch({"l": [1, 2]}, [operation])
    assert refused.value.code == 422


def test_strategic_patches_know_their_directives() -> None:
    schema = model_schema("V1PodSpec")
    volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]
    old = {"volumes": volumes, "restartPolicy": "Always"}
    patch = {"volumes": [{"$patch": "replace"}, {"name": "c"}], "restartPolicy": None}
    assert strategic_merge(old, patch, schema) == {"volumes": [{"name": "c"}]}
    finalizers = {"finalizers": ["a", "b"]}
    removed = {"$deleteFromPrimitiveList/finalizers": ["a"]}
    meta = model_schema("V1ObjectMeta")
    assert strategic_merge(finalizers, removed, meta) == {"finalizers": ["b"]}
    assert strategic_merge(finalizers, {"finalizers": ["c"]}, meta)["finalizers"] == ["c", "a", "b"]


def test_every_built_in_kind_has_a_schema() -> None:
    for resource in builtins():
        assert resource.schema["type"] == "object"


def test_pruning_keeps_what_is_open() -> None:
    schema = {
        "type": "object",
        "properties": {
            "known": {"type": "object", "properties": {"a": {}}},
            "open": {"x-kubernetes-preserve-unknown-fields": True, "type": "object"},
            "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }
    unknown: list[str] = []
    value = {"known": {"a": 1, "b": 2}, "open": {"c": 3}, "map": {"d": 4}, "else": 5}
    pruned = prune_unknown(value, schema, "", unknown)
    assert pruned == {"known": {"a": 1}, "open": {"c": 3}, "map": {"d": 4}}
    assert sorted(unknown) == ["else", "known.b"]


def test_defaults_reach_into_items_and_replace_nulls() -> None:
    item = {"type": "object", "properties": {"n": {"type": "integer", "default": 1}}}
    schema = {
        "properties": {
            "list": {"type": "array", "items": item},
            "null": {"type": "integer", "default": 2},
            "kept": {"type": "integer", "default": 3, "nullable": True},
        }
    }
    value = {"list": [{}, {"n": 5}], "null": None, "kept": None}
    assert with_defaults(value, schema) == {"list": [{"n": 1}, {"n": 5}], "null": 2, "kept": None}


def test_what_did_not_change_is_not_judged_again() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "maximum": 1}, "b": {"type": "integer"}},
    }
    old, new = {"a": 5, "b": 1}, {"a": 5, "b": "x"}
    assert [cause.field for cause in validate(new, schema, "", old)] == ["b"]


RULES: list[tuple[str, Any, bool]] = [
    ("self.a > 1 && has(self.b)", {"a": 2, "b": 1}, True),
    ("self.steps.all(s, s.weight >= 1)", {"steps": [{"weight": 0}]}, False),
    ("self.steps.exists(s, s.weight == 1)", {"steps": [{"weight": 1}]}, True),
    ("self.steps.filter(s, s.weight > 1).size() == 0", {"steps": [{"weight": 1}]}, True),
    ("self.steps.map(s, s.weight).sum() == 3", {"steps": [{"weight": 1}, {"weight": 2}]}, True),
    ("self.steps.map(s, s.weight).isSorted()", {"steps": [{"weight": 2}, {"weight": 1}]}, False),
    ("self.name.matches('^[a-z]+$')", {"name": "A"}, False),
    ("duration(self.hold) >= duration('5s')", {"hold": "1m30s"}, True),
    ("self.name.startsWith('a') && self.name.lowerAscii() == self.name", {"name": "ab"}, True),
    ("self.name.split(',').size() == 2", {"name": "a,b"}, True),
    ("(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) == 1", {"a": 1}, True),
    ("!('x' in self.names)", {"names": ["x"]}, False),
]


@pytest.mark.parametrize(("rule", "value", "holds"), RULES, ids=[rule for rule, _, _ in RULES])
def test_rules(rule: str, value: Any, holds: bool) -> None:
    node = cel.collect({"type": "object", "x-kubernetes-validations": [{"rule": rule}]})
    assert node
    causes = list(cel.check(value, node, None))
    expected = [] if holds else [f"Invalid value: failed rule: {rule}"]
    assert [cause.message for cause in causes] == expected


def test_a_namespace_in_protobuf() -> None:
    meta = b"\x0a\x04demo" + b"\x5a\x0a\x0a\x03key\x12\x03val"
    body = b"\x0a" + bytes([len(meta)]) + meta + b"\x12\x00\x1a\x02\x0a\x00"
    kind = b"\x0a\x02v1\x12\x09Namespace"
    data = b"k8s\x00\x0a" + bytes([len(kind)]) + kind + b"\x12" + bytes([len(body)]) + body
    assert protobuf.readable(data)
    assert protobuf.decode(data) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "demo", "labels": {"key": "val"}},
    }

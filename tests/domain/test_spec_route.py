"""What only the operator finds wrong in a route: a CRD has no rules for the keys of a map."""

from typing import Any

import pytest

from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.domain.spec.http import variables_are_closed
from tests.crd.specs import FULL, ROUTE, edited

BASE = edited(FULL, {"traffic.istio": ROUTE})


def problems(changes: dict[str, Any]) -> list[str]:
    edits = {f"traffic.istio.{field}": value for field, value in changes.items()}
    _, found = find_problems(RolloutSpec, edited(BASE, edits))
    return [problem.sentence for problem in found]


MATCHED = "the name of a header, such as x-company or :method"
SET = "the name of a header, such as x-company; of those that begin with a colon only :authority"
PLAIN = "the name of a header other than host, such as x-company"
PARAMETER = "the name of a query parameter"
LABEL = "the key of a label, such as app or example.com/team"


@pytest.mark.parametrize(
    ("changes", "place", "name", "allowed"),
    [
        ({"match": [{"headers": {"x y": {}}}]}, "match[0].headers", "x y", MATCHED),
        (  # for routes of gateways only
            {"match": [{"headers": {"@request.auth.claims.a": {}}}]},
            "match[0].headers",
            "@request.auth.claims.a",
            MATCHED,
        ),
        (
            {"match": [{"withoutHeaders": {":status": {}}}]},
            "match[0].withoutHeaders",
            ":status",
            MATCHED,
        ),
        ({"match": [{"queryParams": {"": {}}}]}, "match[0].queryParams", "", PARAMETER),
        (
            {"match": [{"sourceLabels": {"a/b/c": "x"}}]},
            "match[0].sourceLabels",
            "a/b/c",
            LABEL,
        ),
        ({"headers": {"request": {"set": {":path": "/"}}}}, "headers.request.set", ":path", SET),
        ({"headers": {"response": {"add": {"HOST": "a"}}}}, "headers.response.add", "HOST", PLAIN),
        ({"labels": {"a b": "1"}}, "labels", "a b", LABEL),
        ({"annotations": {"/": "1"}}, "annotations", "/", LABEL),
    ],
)
def test_names_that_a_definition_cannot_check(
    changes: dict[str, Any], place: str, name: str, allowed: str
) -> None:
    where = f'spec.traffic.istio.{place} has an entry named "{name}"'
    assert problems(changes) == [f"{where}, but such a name must be {allowed}."]


VALUE = (
    "must be the value of a header (at most 1024 characters), in which %NAME% is a variable of "
    "Envoy and %% a percent sign"
)
HOST_TWICE = (
    "must not change the host of requests in a second place: rewrite.authority, or one header "
    "host or :authority"
)
LOOKING_AHEAD = "at character 1: RE2 cannot look around: (?="
NO_REGEX = "must be a regular expression as RE2 reads it (1 to 1024 bytes)"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"match": [{"uri": {"regex": "(?=/a)"}}]},
            f'match[0].uri.regex is "(?=/a)", but {NO_REGEX}; {LOOKING_AHEAD}.',
        ),
        (
            {"headers": {"request": {"set": {"x": "50%"}}}},
            f'headers.request.set.x is "50%", but {VALUE}.',
        ),
        (
            {"headers": {"request": {"set": {"x": "a\nb"}}}},
            f'headers.request.set.x is "a\\nb", but {VALUE}.',
        ),
        (
            {"headers": {"request": {"set": {"Host": "a"}}}},
            f'rewrite.authority is "shop.internal:8080", but {HOST_TWICE}.',
        ),
        (
            {"rewrite": {"uri": "/"}, "headers": {"request": {"add": {"host": "a", "Host": "b"}}}},
            f"headers.request {HOST_TWICE}.",
        ),
    ],
)
def test_values_that_a_definition_cannot_check(changes: dict[str, Any], said: str) -> None:
    assert problems(changes) == [f"spec.traffic.istio.{said}"]


@pytest.mark.parametrize(
    ("focus", "base", "twice"),
    [
        ({"uri": {"exact": "/"}}, {"uri": {"exact": "/"}}, True),
        ({"method": {"exact": "GET"}}, {"method": {"exact": "PUT"}}, True),
        ({"sourceNamespace": "a"}, {"sourceNamespace": "b"}, True),
        ({"headers": {"X-A": {}}}, {"headers": {"x-a": {"exact": "1"}}}, True),
        ({"queryParams": {"a": {}}}, {"queryParams": {"a": {}}}, True),
        ({"sourceLabels": {"app": "a"}}, {"sourceLabels": {"app": "b"}}, True),
        ({"headers": {"x-a": {}}}, {"headers": {"x-b": {}}}, False),
        ({"headers": {"x-a": {}}}, {"withoutHeaders": {"x-a": {}}}, False),
        ({"queryParams": {"A": {}}}, {"queryParams": {"a": {}}}, False),
        ({"uri": {"exact": "/"}}, {"method": {"exact": "GET"}}, False),
    ],
)
def test_a_focus_cannot_ask_about_what_the_route_asks_about(
    focus: dict[str, Any], base: dict[str, Any], twice: bool
) -> None:
    spec = edited(FULL, {"strategy.match": [focus], "traffic.istio.match": [base]})
    _, found = find_problems(RolloutSpec, spec)
    assert [problem.sentence.partition(" must not")[0] for problem in found] == [
        "spec.strategy.match[0]" for _ in range(twice)
    ]


def test_the_whole_route_is_fine() -> None:
    assert problems({}) == []


@pytest.mark.parametrize(
    ("value", "closed"),
    [
        ("", True),
        ("plain", True),
        ("%%", True),
        ("100%%!", True),
        ("%HOSTNAME%", True),
        ("a %REQ(:path)% b %START_TIME(%Y-%m)%", True),
        ("%DYNAMIC_METADATA(a:b:c)% %%", True),
        ("%", False),
        ("100%", False),
        ("%%%", False),
        ("%A%%", False),
        ("%A(b%", False),
        ("%A()%", False),
        ("%A(b)c%", False),
        ('%A(["b"])%', False),  # an old form, which Istio still takes
    ],
)
def test_variables_in_the_values_of_headers(value: str, closed: bool) -> None:
    assert variables_are_closed(value) is closed

"""Which requests a route is for: conditions in the words of Istio's HTTPMatchRequest."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from canary_operator.domain.spec.http import (
    FEW,
    Words,
    expression,
    label_key,
    label_value,
    matched_header,
    parameter,
)
from canary_operator.domain.spec.kinds import dns_label
from canary_operator.domain.spec.schema import HERE, Place, Rule, Written, exactly_one_of

MOST_CONDITIONS = 10


class TextMatch(Written):
    """What a text must be like."""

    rules = (exactly_one_of("exact", "prefix", "regex"),)

    exact: Words | None = None
    """The whole text."""

    prefix: Words | None = None
    """How the text begins."""

    regex: Annotated[str, expression()] | None = None
    """A regular expression (RE2) that matches the whole text."""


def _several(match: "ValueMatch") -> Iterable[Place]:
    given = [one for one in (match.exact, match.prefix, match.regex) if one is not None]
    return [HERE] if len(given) > 1 else []


class ValueMatch(Written):
    """What a value must be like; `{}` asks only that it is there."""

    rules = (
        Rule(
            "must have at most one of exact, prefix and regex",
            "[has(self.exact), has(self.prefix), has(self.regex)].filter(given, given).size() <= 1",
            _several,
        ),
    )

    exact: Words | None = None
    """The whole value."""

    prefix: Words | None = None
    """How the value begins."""

    regex: Annotated[str, expression()] | None = None
    """A regular expression (RE2) that matches the whole value."""


Headers = Annotated[Mapping[Annotated[str, matched_header()], ValueMatch], *FEW]
Parameters = Annotated[Mapping[Annotated[str, parameter()], ValueMatch], *FEW]
Labels = Annotated[
    Mapping[Annotated[str, label_key()], Annotated[str, label_value()]],
    *FEW,
]


def _nothing(condition: "Condition") -> Iterable[Place]:
    asked = condition.model_fields_set - {"ignore_uri_case"}
    return [] if any(getattr(condition, name) not in (None, {}) for name in asked) else [HERE]


def _case_of_nothing(condition: "Condition") -> Iterable[Place]:
    if condition.ignore_uri_case is not None and condition.uri is None:
        yield ("ignoreUriCase",)


class Condition(Written):
    """What a request must be like: everything that is named must hold."""

    rules = (
        Rule(
            "must ask for something: uri, scheme, method, authority, headers, withoutHeaders, "
            "queryParams, sourceLabels or sourceNamespace",
            "has(self.uri) || has(self.scheme) || has(self.method) || has(self.authority) || "
            "has(self.sourceNamespace) || "
            "(has(self.headers) && size(self.headers) > 0) || "
            "(has(self.withoutHeaders) && size(self.withoutHeaders) > 0) || "
            "(has(self.queryParams) && size(self.queryParams) > 0) || "
            "(has(self.sourceLabels) && size(self.sourceLabels) > 0)",
            _nothing,
        ),
        Rule(
            "must stand beside uri",
            "!has(self.ignoreUriCase) || has(self.uri)",
            _case_of_nothing,
        ),
    )

    uri: TextMatch | None = None
    """The path, without the query."""

    ignore_uri_case: Annotated[bool, Field(strict=True)] | None = None
    """Whether `exact` and `prefix` of `uri` match in either case."""

    scheme: TextMatch | None = None
    """`http` or `https`."""

    method: TextMatch | None = None
    """The method, such as `GET`."""

    authority: TextMatch | None = None
    """The host that was called, with its port if it was given."""

    headers: Headers = Field(default_factory=dict)
    """Headers by name; cookies are the header `cookie`."""

    without_headers: Headers = Field(default_factory=dict)
    """The opposite: requests whose headers are like this are not meant."""

    query_params: Parameters = Field(default_factory=dict)
    """Parameters of the query by name."""

    source_labels: Labels = Field(default_factory=dict)
    """Labels of the caller's pod; never true for callers from outside the mesh."""

    source_namespace: Annotated[str, dns_label()] | None = None
    """Namespace of the caller; never true for callers from outside the mesh."""

    def asks_as(self, other: "Condition") -> bool:
        """Whether both ask about the same, so that one condition cannot ask for both."""
        single = ("uri", "scheme", "method", "authority", "source_namespace")
        maps = ("headers", "without_headers", "query_params", "source_labels")
        return any(
            getattr(self, name) is not None and getattr(other, name) is not None for name in single
        ) or any(_names(self, name) & _names(other, name) for name in maps)


def _names(condition: Condition, field: str) -> set[str]:
    """Return what a condition names; headers have one name in either case."""
    names = getattr(condition, field)
    return {name.lower() for name in names} if field.endswith("headers") else set(names)


Conditions = Annotated[tuple[Condition, ...], Field(max_length=MOST_CONDITIONS)]

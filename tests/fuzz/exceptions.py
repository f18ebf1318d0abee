"""Where API server and operator judge a spec differently: the whole list, also in the reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.crd.specs import FULL, SMALLEST, edited


@dataclass(frozen=True)
class Difference:
    """One thing that only one of the two refuses."""

    id: str
    """What is written, as in `docs/reference.md`."""
    example: Mapping[str, Any]
    """A spec that shows it."""
    explains: Callable[[Mapping[str, Any], str], bool]
    """Whether it explains that one of them refused a spec with some words."""


def _has_whole_number_with_a_fraction(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_whole_number_with_a_fraction, value.values()))
    if isinstance(value, list):
        return any(map(_has_whole_number_with_a_fraction, value))
    return isinstance(value, float) and value.is_integer()


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


REFUSED_BY_THE_API_SERVER = (
    Difference(
        "a whole number with a fraction, such as `80.0`",
        edited(SMALLEST, {"replicas": 3.0}),
        lambda spec, words: (
            _has_whole_number_with_a_fraction(spec)
            and any(sign in words for sign in ("float64", 'integer,string: "number"'))
        ),
    ),
)
REFUSED_BY_THE_OPERATOR = (
    Difference(
        "a query with an unknown `{{ variable }}`",
        edited(FULL, {"analysis.metrics.2.query.promql": "up{{ pod }}"}),
        lambda _, words: ".query.promql: " in words and "known are {{ namespace }}" in words,
    ),
    Difference(
        "a `targetPort` that is the name of no container port",
        edited(FULL, {"service.targetPort": "admin"}),
        lambda _, words: "is the name of no container port in spec.template" in words,
    ),
    Difference(
        "a regular expression that RE2 does not read",
        edited(SMALLEST, {"traffic": {"istio": {"match": [{"uri": {"regex": "(?=a)"}}]}}}),
        lambda _, words: "must be a regular expression as RE2 reads it" in words,
    ),
    Difference(
        "the name of a header, query parameter or label that can be none, and the value of a "
        "header that Envoy cannot read",
        edited(SMALLEST, {"traffic": {"istio": {"labels": {"a b": "c"}}}}),
        lambda _, words: (
            ", but such a name must be the " in words or "must be the value of a header" in words
        ),
    ),
    Difference(
        "a host of requests that is changed in two places",
        edited(
            SMALLEST,
            {
                "traffic": {
                    "istio": {
                        "headers": {"request": {"set": {"host": "a"}}},
                        "rewrite": {"authority": "b"},
                    }
                }
            },
        ),
        lambda _, words: "must not change the host of requests in a second place" in words,
    ),
    Difference(
        "a condition of `strategy.match` that asks about the same as one of `traffic.istio.match`",
        edited(
            SMALLEST,
            {
                "strategy": {"match": [{"uri": {"prefix": "/a"}}]},
                "traffic": {"istio": {"match": [{"uri": {"prefix": "/b"}}]}},
            },
        ),
        lambda _, words: "must not ask about what a condition of traffic.istio.match" in words,
    ),
    Difference(
        "more than 64 levels of nesting",
        edited(SMALLEST, {"template.spec.x": _nested(70)}),
        lambda _, words: "must not be nested deeper than 64 levels" in words,
    ),
)

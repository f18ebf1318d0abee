from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.domain.revision import revision_of
from tests.crd.specs import FULL, edited

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TEMPLATE = FULL["template"]


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(item) for key, item in reversed(value.items())}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_a_revision_is_ten_hex_digits_whatever_the_order_of_keys(template: dict[str, Any]) -> None:
    revision = revision_of(template)
    assert revision == revision_of(reordered(template))
    assert len(bytes.fromhex(revision)) == 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": 1}, {"a": 1.0}, id="a whole number as a float"),
        pytest.param({"a": {"b": None}}, {"a": {}}, id="null beside absent"),
        pytest.param({"a": (1, 2)}, {"a": [1, 2]}, id="a tuple as a list"),
    ],
)
def test_the_same_revision(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert revision_of(one) == revision_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": 1}, {"a": "1"}, id="a number as text"),
        pytest.param({"a": 1}, {"a": True}, id="a number as a truth"),
        pytest.param({"a": 1}, {"a": 1.5}, id="a fraction"),
        pytest.param({"a": [1, None]}, {"a": [1]}, id="null in a list"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, id="the order of a list"),
        pytest.param({"a": {}}, {}, id="an empty map beside absent"),
    ],
)
def test_another_revision(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert revision_of(one) != revision_of(other)


def test_a_revision_is_the_same_in_every_version_of_the_operator() -> None:
    """If this fails, an upgrade would start a rollout of every workload: keep the number."""
    assert revision_of(TEMPLATE) == "e84d2289c2"


def test_a_template_that_says_more_is_another_revision() -> None:
    more = edited(TEMPLATE, {"metadata.labels.version": "v2"})
    assert revision_of(more) != revision_of(TEMPLATE)

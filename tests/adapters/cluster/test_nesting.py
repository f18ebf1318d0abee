"""Depth is bounded before JSON is read; what is not too deep is read as it is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.adapters.cluster.nesting import DEEPEST, decode, shallow

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)
TEXTS_WITH_BRACKETS = ('"}]', '\\"[[{', "\\\\", '"', "}" * 200, "[" * 200)


def levels(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(levels, inside), default=0) if isinstance(value, dict | list) else 0


def nested(count: int, opening: str, closing: str) -> bytes:
    return (opening * count + "1" + closing * count).encode()


@given(ANYTHING)
def test_what_is_shallow_is_left_as_it_is(value: Any) -> None:
    text = json.dumps(value).encode()
    assert shallow(text) is text
    assert decode(text) == value


@pytest.mark.parametrize("count", [DEEPEST - 1, DEEPEST, DEEPEST + 1, 999, 10_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"]":', "}]")])
def test_what_is_deeper_is_left_out(count: int, opening: str, closing: str) -> None:
    each = sum(opening.count(bracket) for bracket in "[{")
    read = decode(nested(count // each, opening, closing))
    assert levels(read) == min(count // each * each, DEEPEST)


@pytest.mark.parametrize("text", TEXTS_WITH_BRACKETS)
def test_brackets_in_texts_are_no_levels(text: str) -> None:
    value = {text: [text] * (2 * DEEPEST)}
    assert decode(json.dumps(value).encode()) == value


@pytest.mark.parametrize("text", TEXTS_WITH_BRACKETS)
def test_brackets_in_texts_hide_no_levels(text: str) -> None:
    opening = f"{{{json.dumps(text)}:["
    read = decode(nested(2 * DEEPEST, opening, "]}"))
    assert levels(read) == DEEPEST


def test_what_stands_beside_the_deep_is_kept() -> None:
    deep = nested(500, "[", "]").decode()
    read = decode(f'{{"before": {{"a": [1]}}, "deep": {deep}, "after": "x"}}'.encode())
    assert read["before"] == {"a": [1]}
    assert read["after"] == "x"


def test_what_is_cut_off_is_still_no_json() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        decode(nested(500, "[", "")[:-1])

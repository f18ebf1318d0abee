"""Objects that are nearly right: a good one, with some places changed."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.schemas import ANYTHING, INT_OR_STRING, TEXT, Place, Schema, Values, places, values

GONE = object()
"""In place of a value: the field is taken out."""

WRONG_TYPES = (None, True, False, 0, 1, "", "1", [], {}, [None], [[]], {"": None}, "true", "null")
NUMBERS = (
    *(-1, 101, 1000, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 10**30),
    *(0.5, 1.5, 80.0, 99.99999999999999, 100.0, -0.0, 1e-320, 1.7e308, 0.1 + 0.2),
)
DURATIONS = (
    *("1d", "-5s", "+5s", "5", "1h30", "5S", " 5s", "5s ", "5s\n", "1e3s", ".5s", "5.s", "1us"),
    *("1µs", "1ns", "0.0001s", "0.001s", "1.5h", "00005s", "000005s", "0000005s", "719h59m60s"),
    *("720h0.001s", "719h3600s", "4.999s", "4999ms1ms", "999999h999999h", "\uff19s", "5s" * 10),
    *("1m" * 10, "1m" * 11, "0h", "0ms", "0", "1h-1m", "∞", "PT5S"),
)
PERCENTAGES = (
    *("0%", "0.0%", "0.000001%", "0.0000001%", "1%", "99.999999%", "100%", "100.0%", "100.000001%"),
    *("1000%", "1%%", "% 1", "1 %", "-1%", "+1%", "1%\n", "1e1%", ".5%", "5.%", "\u0663%", "NaN%"),
)
STRANGE = (
    *("\x00", "\x1b[31m", "\u202e", "\U0001f600", "a\n", "a\r\n", "A", "ä", "a_b", "-a", "a-"),
    *("a" * 64, "a" * 5000, "007", "0x1F", "1_000", "http\n", "http-", "\u0663", "auto\n", "Auto"),
    *("a..b", "*", "*.", "a/b/c", "/", ".", "{{ namespace }}", "{{ x }}", "{{", "${HOME}", "a--b"),
    *("canary-operator.dev/x", "$(date)", "'", '"', "\\", "yes", "~", "&a *a", "%s", "{0}", "1.5"),
)


@st.composite
def changed(draw: Any, bases: Sequence[Mapping[str, Any]], schema: Schema) -> dict[str, Any]:
    """Return one of `bases` with up to three places changed."""
    value = deepcopy(dict(draw(st.sampled_from(bases))))
    for _ in range(draw(st.integers(0, 3))):
        place, inside = draw(st.sampled_from(list(places(value, schema))[1:]))
        _put(value, place, draw(_change(_at(value, place), inside)))
    return value


def _change(before: Any, schema: Schema) -> Values:
    """Return what may come in place of `before`; half of it is what the schema allows."""
    good = values(schema)
    odd: list[Values] = [st.just(GONE), st.sampled_from(strange_values(schema, before)), ANYTHING]
    if schema.get("type") == "string" or schema.get(INT_OR_STRING):
        odd += [TEXT, good.map(lambda text: f"{text}\n"), good.map(lambda text: str(text).upper())]
    if isinstance(before, dict):
        odd.append(_with_unknown_field(before))
    return st.booleans().flatmap(lambda well: good if well else st.one_of(odd))


def strange_values(schema: Schema, before: Any = None) -> list[Any]:
    """Return what is worth a try in place of a value, by what the schema says it should be."""
    kind, either = schema.get("type"), bool(schema.get(INT_OR_STRING))
    found = [*WRONG_TYPES, *_beyond(schema)]
    if kind in {"integer", "number"} or either:
        found += NUMBERS
    if kind == "string" or either:
        pattern = schema.get("pattern", "")
        found += (
            DURATIONS if "(h|m|s|ms)" in pattern else PERCENTAGES if "%" in pattern else STRANGE
        )
    if isinstance(before, list) and before:
        found += _rearranged(before)
    return found


def single_changes(base: Mapping[str, Any], schema: Schema) -> Iterator[dict[str, Any]]:
    """Yield `base` with every strange value in every place, one at a time."""
    for place, inside in list(places(base, schema))[1:]:
        if not inside:
            continue  # of fields that no schema knows, nobody has an opinion
        for value in (GONE, *strange_values(inside, _at(base, place))):
            changed_one = deepcopy(dict(base))
            _put(changed_one, place, value)
            yield changed_one


def _beyond(schema: Schema) -> list[Any]:
    """Return values at the bounds of a schema and just beyond them."""
    low, high = schema.get("minimum", 0), schema.get("maximum", 100)
    longest = "a" * schema.get("maxLength", 64)
    around = [low - 1, low, high, high + 1, float(low), float(high), low + 0.5]
    return [*around, longest, longest + "a", "1" * len(longest), "ä" * len(longest)]


def _with_unknown_field(before: dict[str, Any]) -> Values:
    names = st.sampled_from([*(f"{name}s" for name in before), "x", "", "a.b", "metadata", "$ref"])
    return st.builds(lambda name, value: {**before, name: value}, names | TEXT, ANYTHING)


def _rearranged(before: list[Any]) -> list[list[Any]]:
    """Return a list doubled, reversed, with holes, and much too long."""
    doubled = [*before, before[0]]
    return [doubled, before[::-1], [*before, None], [None, *before], [], before * 101, [before]]


def _at(value: Any, place: Place) -> Any:
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _put(value: Any, place: Place, new: Any) -> None:
    """Set what is at a place; where nothing is on the way there, make it."""
    *parents, last = place
    for part, following in zip(parents, place[1:], strict=True):
        if isinstance(value, dict) and not isinstance(value.get(part), dict | list):
            value[part] = [] if isinstance(following, int) else {}
        value = value[part]
    if new is not GONE:
        value[last] = deepcopy(new)
    elif isinstance(value, dict):
        value.pop(last, None)
    else:
        del value[last]

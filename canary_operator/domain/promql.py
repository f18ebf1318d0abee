r"""Building PromQL: values that cannot break out, counting without loss, templates of users.

Counting. `increase()` compares samples inside the window only and extrapolates: the first errors
of a fresh pod are lost, because their series has no earlier sample, and counts are not whole. Here
each series counts the raw difference between its last sample in the window and its baseline, the
last sample before the window:

- a series without a baseline is new and counts in full;
- a counter below its baseline was restarted and counts from zero. One that already grew past its
  baseline again cannot be told from one that was not restarted: it counts the difference;
- a series that vanished inside the window counts up to its last sample (`last_over_time` ignores
  staleness markers, and so a single failed scrape does not make every series of a pod new);
- a Prometheus that did not know a single target before the window (`up` has no sample there) has
  just started, and nothing tells a new series from an old one: each counts from its first sample
  in the window. A Prometheus whose `up` is dropped on the way to a long-term store always counts
  so;
- a series that was not scraped for more than `LOOKBACK` before the window and comes back counts
  in full: that is the price of counting new ones.

The baseline is at most one scrape older than the window, and consecutive windows tile exactly.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

LOOKBACK = "5m"
"""How far before the window a baseline is looked for: as far as Prometheus itself looks back."""

VARIABLES: tuple[str, ...] = ("namespace", "name", "canary", "stable", "service", "window")
"""What a custom query may contain as `{{ variable }}`."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_UNSAFE = re.compile(r"[^\w.:/ -]", re.ASCII)
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


class QueryTemplateError(ValueError):
    """A custom query has a placeholder that we cannot fill; the message names the known ones."""


def escape(value: str) -> str:
    r"""Return `value` for the inside of a PromQL string, whichever quotes are around it.

    Everything unusual becomes a numeric escape. Between backticks Prometheus would take that
    literally, which is wrong but cannot break out.

    Example:
        >>> escape('a"b')
        'a\\U00000022b'
    """
    return _UNSAFE.sub(_numeric_escape, value)


def _numeric_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\U{code:08x}"


def quoted(value: str) -> str:
    """Return `value` as a PromQL string."""
    inside = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{inside}"'


def one_of(values: Iterable[str]) -> str:
    """Return a PromQL string with a regular expression that matches exactly `values`."""
    literals = sorted({_REGEX_SPECIAL.sub(r"\\\g<0>", value) for value in values})
    return quoted("|".join(literals))


def duration(length: timedelta) -> str:
    """Return `length` as a PromQL duration, in whole milliseconds."""
    milliseconds = round(length / timedelta(milliseconds=1))
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


def counted(selector: str, window: timedelta, by: Iterable[str]) -> str:
    """Return a query that counts what the counters of `selector` did in `window`, summed `by`."""
    length = duration(window)
    latest = f"last_over_time({selector}[{length}])"
    before = f"last_over_time({selector}[{LOOKBACK}] offset {length})"
    first = f"min_over_time({selector}[{length}])"
    just_started = f"unless on() last_over_time(up[{LOOKBACK}] offset {length})"
    return (
        f"sum by ({', '.join(by)}) "
        f"(({latest} - ({before} or {first} {just_started})) >= 0 or {latest})"
    )


def template_variables(promql: str) -> frozenset[str]:
    """Return the variables that a custom query uses.

    Raises:
        QueryTemplateError: a variable is unknown, or braces are not a placeholder.
    """
    found = frozenset(_placeholders(promql))
    unknown = sorted(found.difference(VARIABLES))
    if unknown:
        raise QueryTemplateError(f"unknown variable {{{{ {unknown[0]} }}}}; {_known()}")
    return found


def render_query(promql: str, values: Mapping[str, str]) -> str:
    """Return a custom query with its placeholders filled, each escaped as part of a string.

    Args:
        promql: As the user wrote it.
        values: A value for each of `VARIABLES`.

    Raises:
        QueryTemplateError: a variable is unknown, or braces are not a placeholder.
    """
    template_variables(promql)
    return _PLACEHOLDER.sub(lambda match: escape(values[match[1]]), promql)


def _placeholders(promql: str) -> Iterator[str]:
    rest = _PLACEHOLDER.sub("", promql)
    if "{{" in rest:
        excerpt = rest[rest.index("{{") :][:30]
        raise QueryTemplateError(f"{excerpt!r} is not a placeholder; {_known()}")
    for match in _PLACEHOLDER.finditer(promql):
        yield match[1]


def _known() -> str:
    return "known are " + ", ".join(f"{{{{ {name} }}}}" for name in VARIABLES)

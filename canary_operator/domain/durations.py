"""Durations as Kubernetes users write them: `30s`, `1m30s`, `2h`, `500ms`."""

import re
from datetime import timedelta

DURATION_PATTERN = "^([0-9]{1,6}([.][0-9]{1,3})?(h|m|s|ms))+$"
"""A subset of what Go's `time.ParseDuration` reads, so that both validations agree to the
microsecond: no sign, nothing below a millisecond, three decimals, and too few digits to overflow
the 64 bits of Go."""

DURATION_LENGTH = 20
"""Most characters of a duration; enough for a month written to the microsecond."""

_UNITS = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_PART = re.compile(r"([0-9]+)(?:[.]([0-9]{1,3}))?(ms|h|m|s)")
_SPOKEN = re.compile(
    r"\s*([0-9]+)\s*(ms|milli|s|sec|m|min|h|hour|hr|d|day)[a-z]*\s*", re.IGNORECASE
)
_SPOKEN_UNITS = {"milli": "ms", "sec": "s", "min": "m", "hour": "h", "hr": "h"}
_HOURS_OF_A_DAY = 24


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` says.

    Raises:
        ValueError: `text` is no duration; the message shows the right form.

    Example:
        >>> parse_duration("1m30s")
        datetime.timedelta(seconds=90)
    """
    if len(text) > DURATION_LENGTH or not re.fullmatch(DURATION_PATTERN[1:-1], text):
        raise ValueError(f"{text!r} is no duration; write it such as 30s, 1m30s or 2h")
    return sum((_part(*match.groups()) for match in _PART.finditer(text)), timedelta())


def _part(whole: str, decimals: str | None, unit: str) -> timedelta:
    thousandths = int((decimals or "").ljust(3, "0"))
    return int(whole) * _UNITS[unit] + thousandths * _UNITS[unit] / 1000


def format_duration(value: timedelta) -> str:
    """Return `value` in the shortest form that `parse_duration` reads back exactly.

    Example:
        >>> format_duration(timedelta(hours=1, seconds=1.5))
        '1h1.5s'
    """
    if value < timedelta():
        return "-" + format_duration(-value)
    minutes, rest = divmod(value, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "m")]
    text = "".join(f"{count}{unit}" for count, unit in parts if count) + _format_seconds(rest)
    return text or "0s"


def _format_seconds(value: timedelta) -> str:
    seconds, rest = divmod(value, _UNITS["s"])
    thousandths, microseconds = divmod(rest, _UNITS["ms"])
    if seconds and not microseconds:
        return f"{seconds}.{thousandths:03}".rstrip("0").rstrip(".") + "s"
    below = f"{thousandths}.{microseconds // timedelta(microseconds=1):03}"
    whole = f"{seconds}s" if seconds else ""
    return whole + (below.rstrip("0").rstrip(".") + "ms" if rest else "")


def suggest_duration(value: object) -> str | None:
    """Return what somebody probably meant who wrote `5 minutes` or `30`; None for no idea.

    Example:
        >>> suggest_duration("5 minutes")
        '5m'
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return f"{value}s"
    spoken = _SPOKEN.fullmatch(value) if isinstance(value, str) else None
    if spoken is None:
        return None
    count, unit = spoken.group(1), spoken.group(2).lower()
    if unit in {"d", "day"}:
        return f"{int(count) * _HOURS_OF_A_DAY}h"
    return count + _SPOKEN_UNITS.get(unit, unit)

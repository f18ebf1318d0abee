"""Numbers in the words of messages: never rounded to the better side of a limit."""

from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

SHARE_DIGITS = 2
WHOLE_ODDS = 10


def amount(count: float) -> str:
    """Return a number of requests, for example `1,203`."""
    return f"{round(count):,}"


def number(value: float) -> str:
    """Return any number with at most six significant digits, without needless zeros."""
    return f"{value:.6g}"


def percent(value: float, limit: float = 0) -> str:
    """Return a percentage, rounded down, with as many digits as `limit` needs to compare."""
    return f"{_cut(value, max(SHARE_DIGITS, _digits(limit)), ROUND_FLOOR)} %"


def share(part: float, whole: float) -> str:
    """Return `part` of `whole` as a percentage, for example `0.11 %`."""
    return percent(100 * part / whole if whole else 0)


def milliseconds(value: float, limit: float = 0) -> str:
    """Return a duration, rounded up, with as many digits as `limit` needs to compare."""
    return f"{_cut(value, _digits(limit), ROUND_CEILING)} ms"


def seconds(length: timedelta) -> str:
    """Return a window, for example `60 s`."""
    return f"{length.total_seconds():g} s"


def in_milliseconds(length: timedelta) -> float:
    """Return `length` as a number of milliseconds."""
    return length / timedelta(milliseconds=1)


def _digits(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _cut(value: float, digits: int, rounding: str) -> str:
    cut = Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), rounding=rounding)
    text = f"{cut:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def odds(value: float) -> str:
    """Return odds, rounded down, for example `143:1` or `0.8:1`."""
    text = f"{int(value):,}" if value >= WHOLE_ODDS else _cut(value, 1, ROUND_FLOOR)
    return f"{text}:1"

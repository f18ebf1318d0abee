"""What kubectl takes an unquoted word of a YAML file for: a number, true, nothing, or text.

kubectl reads YAML 1.1 by the rules of `sigs.k8s.io/yaml`: `on` and `y` are true, `0644` is octal,
while dates and `1:30` stay text. PyYAML has rules of its own, so a word would mean one thing to us
and another to the API server.
"""

import math
import re
from collections.abc import Mapping

_WORDS: Mapping[str, bool | float | None] = {
    **dict.fromkeys(
        ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True
    ),
    **dict.fromkeys(
        ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False
    ),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_OCTAL = re.compile(r"[-+]?0[0-7]+")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

MOST_DIGITS = 400
"""Longer numbers are no numbers that a spec could hold; Python refuses to read some of them."""


def read_scalar(written: str) -> bool | float | str | None:
    """Return what an unquoted word means.

    Example:
        >>> read_scalar("on"), read_scalar("0644"), read_scalar("1:30"), read_scalar("2024-01-01")
        (True, 420, '1:30', '2024-01-01')
    """
    if written in _WORDS:
        return _WORDS[written]
    digits = written.replace("_", "") if written[0] in "0123456789+-" else written
    if len(digits) > MOST_DIGITS:
        return written
    if _OCTAL.fullmatch(digits):
        return int(digits, 8)
    if _INTEGER.fullmatch(digits):
        return int(digits, 0)
    return float(digits) if _FLOAT.fullmatch(digits) else written


def key_text(value: object) -> str:
    """Return a key as the text that kubectl makes of it: JSON has no other keys.

    Example:
        >>> key_text(True), key_text(1.0), key_text("a")
        ('true', '1', 'a')
    """
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case None:
            return "null"
        case _:
            return str(value)

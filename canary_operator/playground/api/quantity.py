"""Resource quantities in the canonical form that the real server stores."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
PATTERN = re.compile(r"([+-]?[0-9.]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
MESSAGE = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


class QuantityError(ValueError):
    """The text is no quantity."""

    def __init__(self) -> None:
        super().__init__(MESSAGE)


def parse_quantity(text: str) -> Decimal:
    """Return the number that `text` stands for.

    Raises:
        QuantityError: `text` is no quantity.

    Example:
        >>> parse_quantity("1.5Ki"), parse_quantity("250m")
        (Decimal('1536.0'), Decimal('0.250'))
    """
    match = PATTERN.fullmatch(text)
    if match is None:
        raise QuantityError
    suffix = match[2] or ""
    try:
        number = Decimal(match[1])
    except InvalidOperation as error:
        raise QuantityError from error
    if suffix in BINARY:
        return number * (1 << BINARY[suffix])
    if suffix[:1] in ("e", "E") and suffix not in DECIMAL:
        return number.scaleb(int(suffix[1:]))
    return number.scaleb(DECIMAL[suffix])


def canonical_quantity(value: Any) -> str:
    """Return the shortest exact form: the largest suffix that leaves a whole number.

    Raises:
        QuantityError: `value` is no quantity.

    Example:
        >>> canonical_quantity("0.5"), canonical_quantity("1024Mi"), canonical_quantity(1)
        ('500m', '1Gi', '1')
    """
    text = str(value)
    number = parse_quantity(text)
    if number == 0:
        return "0"
    match = PATTERN.fullmatch(text)
    suffix = match[2] if match else None
    if suffix in BINARY and abs(number) >= 1024 and number % 1024 == 0:  # noqa: PLR2004 - 1 Ki
        return _in_binary(int(number))
    if suffix and suffix[0] in "eE" and suffix not in DECIMAL:
        return _scaled(
            number, {f"e{exponent}" if exponent else "": exponent for exponent in DECIMAL.values()}
        )
    return _scaled(number, DECIMAL)


def _in_binary(number: int) -> str:
    for suffix, bits in reversed(BINARY.items()):
        if number % (1 << bits) == 0:
            return f"{number >> bits}{suffix}"
    return str(number)


def _scaled(number: Decimal, suffixes: dict[str, int]) -> str:
    for suffix, exponent in reversed(suffixes.items()):
        scaled = number.scaleb(-exponent)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    return f"{int(number.scaleb(9).to_integral_value(rounding='ROUND_UP'))}n"

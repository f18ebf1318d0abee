"""Words from elsewhere, made harmless: no control character reaches the terminal.

A message of a pod, an annotation, or a file may contain sequences that move the cursor, colour
what follows, or type for the reader; they are shown as what they are.
"""

import re
from collections.abc import Mapping
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""C0 but tab and line feed, DEL, C1, and the marks that turn the direction of writing around."""


def harmless(words: str) -> str:
    r"""Return words with every control character written out.

    Example:
        >>> harmless("red: \x1b[31mstop")
        'red: \\x1b[31mstop'
    """
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], words)


def harmless_object(value: Any) -> Any:
    """Return a copy of JSON-like data whose words are harmless; only for showing it."""
    match value:
        case str():
            return harmless(value)
        case Mapping():
            return {harmless(str(key)): harmless_object(one) for key, one in value.items()}
        case list() | tuple():
            return [harmless_object(one) for one in value]
        case _:
            return value

"""Words from elsewhere, made harmless: no control character reaches the terminal.

A message of a pod, an annotation, or a file may contain sequences that move the cursor, colour
what follows, or type for the reader; they are shown as what they are.
"""

import re
from collections.abc import Mapping
from typing import IO, Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""C0 but tab and line feed, DEL, C1, and the marks that turn the direction of writing around."""

BLANKS = str.maketrans(dict.fromkeys("\t\n\u2028\u2029", " "))
"""What would begin a new line, or jump to a column, and is no control character to be shown."""


def harmless(words: str) -> str:
    r"""Return words with every control character written out; lines stay lines.

    Example:
        >>> harmless("red: \x1b[31mstop")
        'red: \\x1b[31mstop'
    """
    return _CONTROL.sub(lambda found: ascii(found.group())[1:-1], words)


def harmless_line(words: str) -> str:
    r"""Return words harmless, and in one line: none of theirs can be taken for one of ours.

    The log of a CI job takes a line such as `::set-env` for a command.

    Example:
        >>> harmless_line("failed\n::set-env name=PATH::x")
        'failed ::set-env name=PATH::x'
    """
    return harmless(words.translate(BLANKS))


def harmless_object(value: Any) -> Any:
    """Return a copy of JSON-like data whose words are harmless lines; only for showing it."""
    match value:
        case str():
            return harmless_line(value)
        case Mapping():
            return {harmless_line(str(key)): harmless_object(one) for key, one in value.items()}
        case list() | tuple():
            return [harmless_object(one) for one in value]
        case _:
            return value


def knows_unicode(stream: IO[str]) -> bool:
    """Whether a stream can take every sign; others take ASCII at least."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    return encoding.replace("-", "").startswith("utf")

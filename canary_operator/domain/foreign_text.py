"""What others wrote, made fit for status, Events and logs: one line, bounded, harmless."""

LONGEST_MESSAGE = 2000
"""Characters of a message in the status that quotes what a user wrote."""

_ELLIPSIS = "…"
_SLACK = 4
"""How many times the wanted length is looked at: runs of blanks shrink to one."""


def one_line(text: str, most: int) -> str:
    r"""Return `text` on one line of at most `most` characters.

    Line breaks would forge lines of a log, control and direction characters what a terminal shows.

    Example:
        >>> one_line("denied:\n\x1b[31m  quota \u202e", 20)
        'denied: [31m quota'
        >>> one_line("far too long", 8)
        'far too…'
    """
    shown = (char if char.isprintable() else " " for char in text[: most * _SLACK])
    line = " ".join("".join(shown).split())
    if len(line) <= most:
        return line
    return line[: most - 1].rstrip() + _ELLIPSIS

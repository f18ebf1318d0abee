"""Values as Go prints them: some of the real server's messages quote them so."""

from typing import Any


def go_text(value: Any) -> str:
    """Write a value as Go's `%v`.

    Example:
        >>> go_text({"b": [1, True], "a": None})
        'map[a:<nil> b:[1 true]]'
    """
    if isinstance(value, dict):
        return f"map[{' '.join(f'{k}:{go_text(v)}' for k, v in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(go_text, value))}]"
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)

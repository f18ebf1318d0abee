r"""Objects that are nested deeper than Python can follow: what lies too deep is left out.

The API server takes ten thousand levels of JSON wherever a schema is open, as in a pod template.
Python's `json` gives up far earlier, and in a watch that would be the end of the watch, and of the
operator: one object of one tenant would stop all rollouts. So depth is bounded before anything is
read. What users are told of a spec that deep is for `domain.spec` to say.

Example:
    >>> decode(b'{"a":' * 5000 + b"1" + b"}" * 5000)["a"]["a"] is None
    False
"""

import json
import re
from collections.abc import Iterator
from typing import Any

DEEPEST = 100
"""Levels that are kept. A pod has some 15, the schema in a CustomResourceDefinition may have 80;
copying takes two of Python's thousand frames for each."""

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]', re.DOTALL)
_ALIKE = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def decode(text: bytes) -> Any:
    """Return what JSON says, as far as it is not nested too deep.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(shallow(text))


def shallow(text: bytes) -> bytes:
    """Return JSON with `null` in place of everything below `DEEPEST` levels."""
    return b"".join(_parts(text)) if _is_deep(text) else text


def _is_deep(text: bytes) -> bool:
    if text.count(b"{") + text.count(b"[") <= DEEPEST:
        return False
    outside_of_texts = text.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')[::2]
    brackets = b"".join(outside_of_texts).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(DEEPEST):
        if not brackets:
            return False
        brackets = brackets.replace(b"{}", b"")  # the innermost level
    return bool(brackets)


def _parts(text: bytes) -> Iterator[bytes]:
    depth, kept = 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] in b"{[":
            depth += 1
            if depth == DEEPEST + 1:
                yield text[kept : token.start()] + b"null"
        elif token[0] in b"}]":
            if depth == DEEPEST + 1:
                kept = token.end()
            depth -= 1
    yield text[kept:]

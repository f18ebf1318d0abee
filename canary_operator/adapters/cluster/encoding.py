"""JSON as bytes: one value has one text, in requests and in caches."""

import json
import zlib
from functools import lru_cache
from typing import Any

_TO_ESCAPE = "<>&\u2028\u2029"
_ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in _TO_ESCAPE})


def encode(value: Any) -> bytes:
    r"""Return `value` as the API server itself would write it.

    Sorted, without blanks, and with the characters escaped that Go's encoder escapes. The `data`
    of a ControllerRevision is compared byte by byte with what the server writes when it handles a
    patch, so any other text would make the object impossible to patch (Kubernetes 1.36).

    Example:
        >>> encode({"b": [1, None], "a": "<é>"}).decode()
        '{"a":"\\u003cé\\u003e","b":[1,null]}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if any(char in text for char in _TO_ESCAPE):  # hardly ever, and translating takes long
        text = text.translate(_ESCAPED)
    return text.encode("utf-8", errors="replace")


def pack(value: Any) -> bytes:
    """Return `value` in the compact form of the caches; equal values give equal bytes."""
    return zlib.compress(encode(value))


@lru_cache(maxsize=256)  # what the ticks of a moment read, and each of them several times
def unpack(packed: bytes) -> Any:
    """Return what was packed; not to be changed."""
    return json.loads(zlib.decompress(packed))

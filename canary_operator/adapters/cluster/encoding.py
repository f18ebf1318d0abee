"""JSON as bytes: one value has one text, in requests and in caches."""

import json
import zlib
from typing import Any

_ESCAPED = str.maketrans({char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"})


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
    return text.translate(_ESCAPED).encode("utf-8", errors="replace")


def pack(value: Any) -> bytes:
    """Return `value` in the compact form of the caches; equal values give equal bytes."""
    return zlib.compress(encode(value))


def unpack(packed: bytes) -> Any:
    """Return what was packed; not to be changed."""
    return json.loads(zlib.decompress(packed))

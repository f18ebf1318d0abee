"""Identity of a pod template."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

REVISION_LENGTH = 10


def revision_of(template: Mapping[str, Any]) -> str:
    """Return the first ten hex digits of SHA-256 over the canonical JSON of `template`.

    The template counts as the user wrote it: defaults are not filled in, so an upgrade of
    Kubernetes or of the operator never makes a new revision. Two templates that mean the same
    to the API server are one revision: the order of keys, `null` beside absent, and `1` beside
    `1.0` make no difference.

    Example:
        >>> revision_of({"spec": {"priority": 1, "nodeName": None}})
        'c164bffd66'
        >>> revision_of({"spec": {"priority": 1.0}})
        'c164bffd66'
    """
    text = json.dumps(
        _canonical(template), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass"))
    return digest.hexdigest()[:REVISION_LENGTH]


def asked_revision(spec: Mapping[str, Any]) -> str:
    """Return the revision that a spec asks for, as far as it has a template; else nothing."""
    template = spec.get("template")
    with suppress(RecursionError):  # nested too deep, which is one reason to refuse it
        return revision_of(template) if isinstance(template, Mapping) else ""
    return ""


def _canonical(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _canonical(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_canonical(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value

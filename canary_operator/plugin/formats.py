"""Output for programs: JSON and YAML of what was read, or of what was found."""

import json
from collections.abc import Iterable, Mapping
from typing import Any


def without_noise(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without `managedFields`, as kubectl shows it."""
    meta: Mapping[str, Any] = manifest.get("metadata") or {}
    kept = {key: one for key, one in meta.items() if key != "managedFields"}
    return {**manifest, "metadata": kept}


def list_of(manifests: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a `List` object, as kubectl prints several objects."""
    items = [without_noise(one) for one in manifests]
    return {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}


def formatted(content: Any, output: str) -> str:
    """Return content as JSON or YAML.

    Args:
        content: Made of dicts, lists and plain values.
        output: `json` or `yaml`.
    """
    if output == "json":
        return json.dumps(content, indent=4, ensure_ascii=False)
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return text.rstrip("\n")


def json_line(content: Any) -> str:
    """Return content as one line of JSON."""
    return json.dumps(content, ensure_ascii=False)

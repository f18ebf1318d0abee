"""Output for programs: JSON and YAML of what was read, or of what was found.

Signs beyond ASCII are escaped where the output cannot take them, or `--ascii` asks for it: a
program reads the same either way.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from canary_operator.plugin.harmless import knows_unicode


def without_noise(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without `managedFields`, as kubectl shows it."""
    meta: Mapping[str, Any] = manifest.get("metadata") or {}
    kept = {key: one for key, one in meta.items() if key != "managedFields"}
    return {**manifest, "metadata": kept}


def list_of(manifests: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a `List` object, as kubectl prints several objects."""
    items = [without_noise(one) for one in manifests]
    return {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}


def formatted(content: Any, output: str, *, ascii_only: bool | None = None) -> str:
    """Return content as JSON or YAML.

    Args:
        content: Made of dicts, lists and plain values.
        output: `json` or `yaml`.
        ascii_only: Whether other signs are escaped; None finds out for standard output.
    """
    escaped = _escapes(ascii_only)
    if output == "json":
        return json.dumps(content, indent=4, ensure_ascii=escaped)
    import yaml

    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=not escaped, width=100)
    return text.rstrip("\n")


def json_line(content: Any, *, ascii_only: bool | None = None) -> str:
    """Return content as one line of JSON; `ascii_only` as for `formatted`."""
    return json.dumps(content, ensure_ascii=_escapes(ascii_only))


def _escapes(ascii_only: bool | None) -> bool:
    if ascii_only is not None:
        return ascii_only
    command = click.get_current_context(silent=True)
    asked = command is not None and bool(command.params.get("ascii"))
    return asked or not knows_unicode(sys.stdout)

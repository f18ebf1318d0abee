"""A manifest as YAML that kubectl reads as it is meant.

kubectl reads YAML 1.1 with words of its own: `y` is true and `1e3` is a number, so text that could
be taken for something else is quoted. Text of several lines is written as such.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

_SAFE = re.compile(r"[A-Za-z_/][^\n]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def manifest_text(manifest: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """Return a manifest as YAML; its last field ends the text."""
    text: str = yaml.dump(
        dict(manifest),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=not ascii_only,
        width=100,
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key and shares nothing between branches."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    plain = _SAFE.fullmatch(value) and value.lower() not in _WORDS
    style = "|" if "\n" in value else None if plain else '"'
    node: yaml.Node = dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)
    return node


_Dumper.add_representer(str, _text)

"""What a kustomization lists: whole objects, and patches that hold only a piece of one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary_operator.plugin.offline.parsing import parse, split

FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True)
class Kustomization:
    """One kustomization file."""

    folder: Path
    resources: frozenset[Path] = frozenset()
    patches: frozenset[Path] = frozenset()


def kustomization_in(folder: Path) -> Kustomization | None:
    """Return the kustomization of a folder; None where there is none that can be read."""
    for name in FILES:
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        trees = (tree for chunk in split(text) for tree in parse(chunk))
        listed = next((tree.data for tree in trees if isinstance(tree.data, Mapping)), {})
        return Kustomization(
            folder,
            frozenset((folder / one).resolve() for one in _texts(listed, "resources")),
            frozenset((folder / one).resolve() for one in _patches(listed)),
        )
    return None


def _patches(listed: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files of patches; one that is written in the kustomization itself is no file."""
    for field in ("patches", "patchesJson6902"):
        entries = listed.get(field)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                yield from _texts({"path": [entry.get("path")]}, "path")
    yield from _texts(listed, "patchesStrategicMerge")


def _texts(listed: Mapping[str, Any], field: str) -> Iterator[str]:
    entries = listed.get(field)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, str) and "\n" not in entry:
            yield entry

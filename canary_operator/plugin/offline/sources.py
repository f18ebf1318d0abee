"""Which files a command line means, and what stands in them.

-              standard input
FILE           whatever it is called
DIRECTORY      every *.yaml, *.yml and *.json below it; nothing hidden, no Helm templates
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from canary_operator.domain.objects import GROUP, KIND
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.offline.kustomize import Kustomization, kustomization_in
from canary_operator.plugin.offline.trees import Trouble

STDIN = "-"
STDIN_NAME = "stdin"
"""What standard input is called in messages."""

SUFFIXES = (".yaml", ".yml", ".json")
CHART_FILE = "Chart.yaml"
CHART_FOLDERS = frozenset({"templates", "charts"})
"""What of a chart is no YAML before Helm has rendered it."""

HELM_CHART = "helm-chart"

Lists = Callable[[Path], Kustomization | None]
"""Finds the kustomization of a folder."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file."""

    file: str
    """As messages call it."""
    text: str = ""
    troubles: tuple[Trouble, ...] = ()
    """Why the text is missing."""
    kustomization: Kustomization | None = None
    """The one that lists the file."""
    patch: bool = False
    """Whether it is listed as a patch, so that it holds only a piece of an object."""

    named: bool = True
    """Whether the command line names it, or only a directory above it."""

    @property
    def is_ours(self) -> bool:
        """Whether it speaks of our kind of objects, broken or not."""
        return GROUP in self.text or KIND in self.text


def sources_of(paths: Sequence[str]) -> Iterator[Source]:
    """Yield what is in files, in directories and on standard input.

    Raises:
        PluginError: a file cannot be opened.
    """
    lists: Lists = cache(kustomization_in)
    for given in paths:
        if given == STDIN:
            yield _decoded(STDIN_NAME, sys.stdin.buffer.read())
        elif os.path.isdir(given):  # noqa: PTH112 - what users write stays as it is
            yield from _below(given, lists)
        else:
            yield _read(given, lists)


def _below(directory: str, lists: Lists) -> Iterator[Source]:
    for folder, folders, files in os.walk(directory, onerror=_refuse):
        hidden = {name for name in folders if name.startswith(".")}
        if CHART_FILE in files:
            hidden |= CHART_FOLDERS
            yield from _chart(folder)
        folders[:] = sorted(set(folders) - hidden)
        for name in sorted(files):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                found = _read(os.path.join(folder, name), lists)  # noqa: PTH118
                yield replace(found, troubles=found.troubles if found.is_ours else (), named=False)


def _refuse(error: OSError) -> None:
    raise PluginError(f"{error.filename} cannot be read: {error.strerror}")


def _read(file: str, lists: Lists) -> Source:
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise PluginError(f"{file} cannot be read: {error.strerror}") from error
    source = _decoded(file, content)
    path = Path(file).resolve()
    for folder in path.parents[:2]:
        found = lists(folder)
        if found is not None and path in found.resources | found.patches:
            return replace(source, kustomization=found, patch=path in found.patches)
    return source


def _decoded(file: str, content: bytes) -> Source:
    try:
        return Source(file, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        sentence = "This is no text in UTF-8, the only encoding that kubectl reads."
        return Source(file, troubles=(Trouble("yaml-syntax", line, 1, sentence),))


def _chart(folder: str) -> Iterator[Source]:
    """Say of a chart that makes CanaryRollouts how they can be read."""
    templates = sorted((Path(folder) / "templates").rglob("*.*"))
    if any(_read(str(file), lambda _: None).is_ours for file in templates if file.is_file()):
        sentence = "This is a Helm chart, whose templates are no YAML before they are rendered."
        fix = f"helm template {folder} | kubectl canary lint -f -"
        yield Source(folder, troubles=(Trouble(HELM_CHART, 1, 1, sentence, fix),))

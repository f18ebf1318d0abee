"""Objects in manifests, each with the places of its fields: what all offline commands read.

sources.py   which files
parsing.py   text to trees       scalars.py   unquoted words
trees.py     places to lines     kustomize.py what a kustomization lists
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from canary_operator.domain.objects import KIND
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.offline.kustomize import Kustomization
from canary_operator.plugin.offline.parsing import Chunk, parse, split
from canary_operator.plugin.offline.sources import HELM_CHART, Source, sources_of
from canary_operator.plugin.offline.trees import Place, Position, Tree, Trouble

HELM_TEMPLATE = "helm-template"
TEMPLATE_CODE = re.compile(
    r"\{\{-?\s*(?:[.$\"(-]|/\*|(?:block|default|define|else|end|if|include|printf|quote|range"
    r"|required|template|toYaml|tpl|with)\b)"
)
"""Code of a Helm template, which the `{{ canary }}` of a query is not."""

_HELM_SOURCE = re.compile(r"^# Source: (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a manifest, or the trouble with a text that should be one."""

    file: str
    raw: Mapping[str, Any] | None
    """The object as kubectl sends it; None where the text cannot be read or is no object."""
    problems: tuple[Trouble, ...] = ()
    """What keeps it from being read as it was meant."""
    source: str | None = None
    """The template that Helm made it from."""
    kustomization: Kustomization | None = None
    """The one that lists its file."""
    patch: bool = False
    """Whether it is only a piece of an object, which Kustomize puts together."""
    tree: Tree | None = None
    root: Place = ()
    """Where in its YAML document the object is: `("items", 2)` in a List."""

    @property
    def line(self) -> int:
        """Line at which it begins, from 1."""
        return self.position(())[0]

    @property
    def kind(self) -> str:
        """Its `kind`; empty where it has none."""
        return _text(self.raw, "kind")

    @property
    def api_version(self) -> str:
        """Its `apiVersion`; empty where it has none."""
        return _text(self.raw, "apiVersion")

    @property
    def name(self) -> str:
        """Its name; empty where it has none."""
        return _text(self.metadata, "name")

    @property
    def namespace(self) -> str:
        """Its namespace; empty where it has none."""
        return _text(self.metadata, "namespace")

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata; empty where it has none."""
        found = (self.raw or {}).get("metadata")
        return found if isinstance(found, Mapping) else {}

    def position(self, place: Place = ()) -> Position:
        """Return line and column of a key or an entry of a list; for a missing one its parent.

        Args:
            place: From the root of the object: `("spec", "strategy", "steps", 1, "weight")`.
        """
        return (1, 1) if self.tree is None else self.tree.position((*self.root, *place))

    def written(self, place: Place) -> str | None:
        """Return an unquoted word as it stands in the file; None for everything else."""
        return None if self.tree is None else self.tree.written((*self.root, *place))


def _text(fields: Mapping[str, Any] | None, field: str) -> str:
    found = (fields or {}).get(field)
    return found if isinstance(found, str) else ""


def read_documents(paths: Sequence[str]) -> Iterator[Document]:
    """Yield the objects in files, directories and, for `-`, standard input.

    Raises:
        PluginError: a file cannot be opened.
    """
    for source in sources_of(paths):
        if source.troubles:
            yield Document(source.file, None, source.troubles)
        yield from _documents_in(source)


def rollouts_of(paths: Sequence[str]) -> list[Document]:
    """Return the CanaryRollouts in files; one or more.

    Raises:
        PluginError: a file cannot be opened or read, or there is no CanaryRollout.
    """
    documents = [*read_documents(paths)]
    troubles = [(one.file, trouble) for one in documents for trouble in one.problems]
    for file, trouble in troubles:
        if trouble.rule != HELM_CHART:
            where = f"{file}:{trouble.line}:{trouble.column}"
            raise PluginError(f"{where}: {trouble.sentence}", trouble.fix, Exit.FAILED)
    found = [one for one in documents if one.kind == KIND and not one.patch]
    if not found:
        hints = [f"{file}: {trouble.sentence} {trouble.fix}" for file, trouble in troubles]
        hints += [f"{one.file} is a patch of a kustomization." for one in documents if one.patch]
        raise PluginError(f"There is no {KIND} in {', '.join(paths)}", " ".join(hints))
    return found


def _documents_in(source: Source) -> Iterator[Document]:
    unrendered = False
    for chunk in split(source.text):
        origin = _HELM_SOURCE.search(chunk.text)
        for tree in parse(chunk):
            code = TEMPLATE_CODE.search(chunk.text) if tree.node is None else None
            if tree.node is None and not (source.named or source.is_ours):
                continue  # whatever it is, nobody asked about it
            if code is None:
                yield from _objects_in(source, tree, origin[1] if origin else None)
            elif not unrendered:  # one hint is enough for a file
                unrendered = True
                yield Document(source.file, None, (_template_trouble(chunk, code.start()),))


def _template_trouble(chunk: Chunk, start: int) -> Trouble:
    before = chunk.text[:start]
    return Trouble(
        HELM_TEMPLATE,
        chunk.line + before.count("\n"),
        len(before.rpartition("\n")[2]) + 1,
        "This is a Helm template, which is no YAML before it is rendered.",
        "helm template CHART | kubectl canary lint -f -",
    )


def _objects_in(source: Source, tree: Tree, origin: str | None) -> Iterator[Document]:
    documents = [
        Document(
            source.file, data, (), origin, source.kustomization, source.patch, tree=tree, root=root
        )
        for root, data in _objects((), tree.data)
    ]
    # What is wrong with a List is told once, with one of ours where there is one.
    rollouts = [index for index, document in enumerate(documents) if document.kind == KIND]
    teller = rollouts[0] if rollouts else 0
    documents[teller] = replace(documents[teller], problems=tree.troubles)
    yield from documents


def _objects(root: Place, data: Any) -> Iterator[tuple[Place, Mapping[str, Any] | None]]:
    """Yield an object, or those in a List; None for what is no object."""
    items = data.get("items") if isinstance(data, Mapping) else None
    if isinstance(items, list) and items and str(data.get("kind", "")).endswith("List"):
        for index, item in enumerate(items):
            yield from _objects((*root, "items", index), item)
    else:
        yield root, data if isinstance(data, Mapping) else None

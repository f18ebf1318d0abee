"""Which objects are likely to be applied together, so that they can be compared.

Those of one file or of standard input, and of the files of one folder, in the same namespace.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePath

from canary_operator.domain.objects import KIND
from canary_operator.plugin.offline.documents import Document
from canary_operator.plugin.offline.lint.rules import Note, Together

Told = tuple[Document, Note]
"""An object, and what is said of it."""


def neighbourhood(document: Document) -> tuple[str, str]:
    """Return what the objects that are applied together have in common."""
    return str(PurePath(document.file).parent), document.namespace


def neighbours(at: Together) -> Iterator[tuple[Document, Document]]:
    """Yield each CanaryRollout with each object of another kind that is applied with it."""
    near: dict[tuple[str, str], list[Document]] = defaultdict(list)
    for document in at.documents:
        if document.raw is not None and document.kind != KIND and not document.patch:
            near[neighbourhood(document)].append(document)
    for rollout in at.rollouts:
        named = rollout.document.name != ""
        for other in near[neighbourhood(rollout.document)] if named else ():
            yield rollout.document, other

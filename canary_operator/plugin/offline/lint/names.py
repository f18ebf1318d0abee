"""Names that two objects want."""

from collections.abc import Iterator, Mapping
from functools import cache

from canary_operator.domain.objects import CANARY, KIND, STABLE, track_name
from canary_operator.domain.spec.schema import Place
from canary_operator.domain.takeover import ADOPT_ANNOTATION, is_given_to
from canary_operator.domain.workload import referenced_name
from canary_operator.plugin.offline.documents import Document
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.neighbours import Told, neighbourhood, neighbours
from canary_operator.plugin.offline.lint.rules import Candidate, Note, Rule, Together, TogetherRule

NAME: Place = ("metadata", "name")
GROUPS = {"Deployment": "apps", "Service": "", "VirtualService": "networking.istio.io"}
"""API groups of the kinds that a rollout makes."""


@cache
def needed_names(rollout: str) -> frozenset[tuple[str, str]]:
    """Return kind and name of what a rollout makes, but for records, whose names have a hash."""
    tracks = {track_name(rollout, track) for track in (STABLE, CANARY)}
    deployments = {("Deployment", name) for name in tracks}
    services = {("Service", name) for name in {rollout, *tracks}}
    return frozenset(deployments | services | {("VirtualService", rollout)})


def same_name(at: Together) -> Iterator[Told]:
    """Of two rollouts of one name in a file, the second overwrites the first."""
    for before, document in _of_one_name(at):
        if before.file == document.file:
            yield document, _same_name_note(document, f"line {before.line}")


def same_name_nearby(at: Together) -> Iterator[Told]:
    """Of two files of a folder, `kubectl apply -f FOLDER` applies both, one after the other."""
    for before, document in _of_one_name(at):
        if before.file != document.file:
            yield document, _same_name_note(document, f"{before.file}:{before.line}")


def _same_name_note(document: Document, where: str) -> Note:
    sentence = f"{KIND} {document.name} is in {where} too; applied together, the last one counts."
    return Note(NAME, sentence, "Rename it, or keep one.")


def _of_one_name(at: Together) -> Iterator[tuple[Document, Document]]:
    first: dict[tuple[str, ...], Document] = {}
    for document in (rollout.document for rollout in at.rollouts):
        before = first.setdefault((*neighbourhood(document), document.name), document)
        if before is not document and document.name:
            yield before, document


def taken_name(at: Together) -> Iterator[Told]:
    """An object that a rollout would make is never taken over."""
    candidates = {id(candidate.document): candidate for candidate in at.rollouts}
    for rollout, other in neighbours(at):
        if other.kind == "VirtualService" and _splits_one_of_the_users(candidates[id(rollout)]):
            continue
        if _is_given(other, rollout):
            continue
        of_group = GROUPS.get(other.kind) == other.api_version.rpartition("/")[0]
        needed = of_group and (other.kind, other.name) in needed_names(rollout.name)
        if needed and not _belongs_to(rollout, other):
            yield (
                other,
                Note(
                    NAME,
                    f"{other.kind} {other.name} has a name that {KIND} {rollout.name} "
                    f"({rollout.file}:{rollout.line}) needs; it is not taken over, and the rollout "
                    "is refused as a NameConflict.",
                    _way_out(other, rollout),
                ),
            )


def _splits_one_of_the_users(rollout: Candidate) -> bool:
    """Whether the operator makes no VirtualService for it."""
    return rollout.spec is not None and rollout.spec.traffic.virtual_service is not None


def _is_given(other: Document, rollout: Document) -> bool:
    """Whether it is a Service that its owner gives to a rollout which takes Services over."""
    marks = other.metadata.get("annotations")
    given = isinstance(marks, Mapping) and is_given_to(rollout.name, marks)
    return _may_be_given(other, rollout) and given


def _may_be_given(other: Document, rollout: Document) -> bool:
    spec = (rollout.raw or {}).get("spec")
    adopts = isinstance(spec, Mapping) and referenced_name(spec) is not None
    return adopts and (other.kind, other.name) == ("Service", rollout.name)


def _way_out(other: Document, rollout: Document) -> str:
    if _may_be_given(other, rollout):
        return (
            f"Give it to the rollout, with the annotation {ADOPT_ANNOTATION}: {rollout.name}, or "
            "rename one."
        )
    return f"Remove it, as the rollout makes a {other.kind} of its own, or rename one."


def _belongs_to(rollout: Document, other: Document) -> bool:
    """Whether the rollout made it, as in what `kubectl get -o yaml` printed."""
    owners = other.metadata.get("ownerReferences")
    return any(
        isinstance(owner, Mapping)
        and (owner.get("kind"), owner.get("name")) == (KIND, rollout.name)
        for owner in (owners if isinstance(owners, list) else ())
    )


def clashing_rollouts(at: Together) -> Iterator[Told]:
    """Rollouts `web` and `web-canary` both make a Service `web-canary`."""
    makers: dict[tuple[str, ...], Document] = {}
    for document in (rollout.document for rollout in at.rollouts):
        for kind, name in sorted(needed_names(document.name)):
            one = makers.setdefault((*neighbourhood(document), kind, name), document)
            if one.name != document.name:
                sentence = (
                    f"{KIND} {document.name} and {KIND} {one.name} ({one.file}:{one.line}) both "
                    f"make a {kind} {name}; one of them is refused as a NameConflict."
                )
                yield document, Note(NAME, sentence, "Rename one.")
                break  # tracks clash with each other as well, and one sentence is enough


NAME_RULES: tuple[TogetherRule, ...] = (
    Rule("same-name", Severity.ERROR, same_name),
    Rule("same-name-nearby", Severity.WARNING, same_name_nearby),
    Rule("name-conflict", Severity.ERROR, taken_name),
    Rule("name-conflict", Severity.ERROR, clashing_rollouts),
)

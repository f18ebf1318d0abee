"""All rules over all objects."""

import os.path
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from canary_operator.domain.objects import GROUP, KIND
from canary_operator.domain.spec import Problem, RolloutSpec, find_problems
from canary_operator.plugin.offline.documents import Document
from canary_operator.plugin.offline.lint.acceptance import ACCEPTANCE_RULES
from canary_operator.plugin.offline.lint.analysis import ANALYSIS_RULES
from canary_operator.plugin.offline.lint.autoscalers import AUTOSCALER_RULES, scales
from canary_operator.plugin.offline.lint.findings import Finding, Report, Severity
from canary_operator.plugin.offline.lint.names import NAME_RULES
from canary_operator.plugin.offline.lint.neighbours import neighbours
from canary_operator.plugin.offline.lint.objects import OBJECT_RULES, TEMPLATE_RULE
from canary_operator.plugin.offline.lint.pods import POD_RULES
from canary_operator.plugin.offline.lint.routes import ROUTE_RULES
from canary_operator.plugin.offline.lint.rules import (
    Candidate,
    Note,
    Operator,
    Rollout,
    Rule,
    SpecRule,
    Together,
    TogetherRule,
)
from canary_operator.plugin.offline.lint.strategy import STRATEGY_RULES
from canary_operator.plugin.offline.lint.timing import TIMING_RULES
from canary_operator.plugin.offline.parsing import DUPLICATE
from canary_operator.plugin.offline.sources import HELM_CHART

SPEC_RULES: tuple[SpecRule, ...] = (
    *ACCEPTANCE_RULES,
    *POD_RULES,
    *STRATEGY_RULES,
    *TIMING_RULES,
    *ANALYSIS_RULES,
)
TOGETHER_RULES: tuple[TogetherRule, ...] = (*NAME_RULES, *ROUTE_RULES, *AUTOSCALER_RULES)

KUSTOMIZE = "kustomize"
"""Name of the rule that is about what lists an object."""


def lint(documents: Iterable[Document], operator: Operator, paths: Sequence[str]) -> Report:
    """Return everything that there is to say about manifests.

    Args:
        documents: The objects in them.
        operator: What is known about the operator that will follow them.
        paths: Files and directories, as the user named them.
    """
    together = _together(tuple(documents), operator)
    found = [*_of_texts(together), *_of_kustomizations(together.documents)]
    autoscaled = {id(one) for one, other in neighbours(together) if scales(other, one)}
    for candidate in together.rollouts:
        found += _of_object(candidate, autoscaled=id(candidate.document) in autoscaled)
    for rule in TOGETHER_RULES:
        found += [_finding(rule, *told) for told in rule.find(together)]
    if not together.rollouts and all(one.severity is Severity.INFO for one in found):
        sentence = f"There is no whole {KIND} in it, so nothing was looked at."
        found += [Finding(Severity.WARNING, "no-rollout", path, 1, 1, sentence) for path in paths]
    return Report(_sorted(found, together.documents), len(together.rollouts))


def _together(documents: tuple[Document, ...], operator: Operator) -> Together:
    ours = (one for one in documents if _is_ours(one) and not one.patch)
    return Together(documents, tuple(_candidate(one, operator) for one in ours))


def _is_ours(document: Document) -> bool:
    return document.kind == KIND or document.api_version.startswith(f"{GROUP}/")


def _candidate(document: Document, operator: Operator) -> Candidate:
    raw = document.raw or {}
    if raw.get("spec") is None:
        return Candidate(document, operator, None, (Problem(("spec",), "spec is required."),))
    spec, problems = find_problems(RolloutSpec, raw["spec"])
    return Candidate(document, operator, spec, problems)


def _of_texts(at: Together) -> Iterator[Finding]:
    """Yield what keeps texts from being read."""
    for document in at.documents:
        for trouble in document.problems:
            severity = Severity.WARNING if trouble.rule == HELM_CHART else Severity.ERROR
            if trouble.rule != DUPLICATE or _is_ours(document):
                yield Finding(
                    severity,
                    trouble.rule,
                    document.file,
                    trouble.line,
                    trouble.column,
                    trouble.sentence,
                    trouble.fix,
                    document.source,
                )


def _of_kustomizations(documents: Iterable[Document]) -> Iterator[Finding]:
    """Say once of each kustomization with a CanaryRollout how its whole result is looked at."""
    told: set[Path] = set()
    for document in documents:
        kustomization = document.kustomization
        if kustomization is None or not _is_ours(document) or kustomization.folder in told:
            continue
        told.add(kustomization.folder)
        folder = os.path.relpath(kustomization.folder)
        sentence = (
            f"This is a patch of the kustomization in {folder}; alone it cannot be judged."
            if document.patch
            else f"The kustomization in {folder} may change this before it is applied."
        )
        fix = f"kustomize build {folder} | kubectl canary lint -f -"
        yield _at(document, Severity.INFO, KUSTOMIZE, Note((), sentence, fix))


def _of_object(candidate: Candidate, *, autoscaled: bool) -> Iterator[Finding]:
    document, spec = candidate.document, candidate.spec
    unrendered = [*TEMPLATE_RULE.find(candidate)]
    if unrendered:  # what else is wrong with it comes from that
        yield from (_finding(TEMPLATE_RULE, document, note) for note in unrendered)
        return
    for object_rule in OBJECT_RULES:
        yield from (_finding(object_rule, document, note) for note in object_rule.find(candidate))
    if spec is not None:
        rollout = Rollout(document, candidate.operator, spec, autoscaled)
        for rule in SPEC_RULES:
            yield from (_finding(rule, document, note) for note in rule.find(rollout))


def _finding(rule: Rule[Any, Any], document: Document, note: Note) -> Finding:
    return _at(document, rule.severity, rule.name, note)


def _at(document: Document, severity: Severity, name: str, note: Note) -> Finding:
    line, column = document.position(note.place)
    return Finding(
        severity, name, document.file, line, column, note.sentence, note.fix, document.source
    )


def _sorted(findings: Iterable[Finding], documents: Iterable[Document]) -> tuple[Finding, ...]:
    """Return findings by file, in the order in which they were given, and line."""
    files = {file: index for index, file in enumerate(dict.fromkeys(d.file for d in documents))}

    def key(finding: Finding) -> tuple[int, int, int, int]:
        severity = [*Severity].index(finding.severity)
        return files.get(finding.file, len(files)), finding.line, finding.column, severity

    return tuple(sorted(findings, key=key))

"""Which rollout of some files is meant, and what is wrong with it, by file and line."""

from collections.abc import Sequence

from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.plugin.exits import Exit, PluginError, UsageProblemError
from canary_operator.plugin.offline.documents import Document, rollouts_of

NO_NAMESPACE = "default"


def chosen(paths: Sequence[str], name: str | None = None) -> Document:
    """Return the rollout that is meant.

    Args:
        paths: Files, directories, or `-` for standard input.
        name: Of the rollout, or `namespace/name`; only needed where there are several.

    Raises:
        PluginError: a file cannot be read, or the spec is one that the operator refuses.
        UsageProblemError: there is no such rollout, or several.
    """
    found = rollouts_of(paths)
    fitting = [one for one in found if name in {None, one.name, _full_name(one)}]
    if len(fitting) != 1:
        known = ", ".join(f"{_full_name(one)} ({one.file}:{one.line})" for one in found)
        if fitting:
            raise UsageProblemError(f"There are several rollouts: {known}", _advice(fitting))
        raise UsageProblemError(f"There is no rollout {name}; there are: {known}")
    _check(fitting[0])
    return fitting[0]


def namespace_of(document: Document) -> str:
    """Return where it would be applied to, as far as the file says so."""
    return document.namespace or NO_NAMESPACE


def _advice(fitting: Sequence[Document]) -> str:
    """Return how to choose one of several."""
    if len({_full_name(one) for one in fitting}) > 1:
        return "Choose with --name."
    if len({one.file for one in fitting}) > 1:
        return "Name one of the files."
    return "They have the same name: give each its own, or keep one."


def _full_name(document: Document) -> str:
    return f"{namespace_of(document)}/{document.name}"


def _check(document: Document) -> None:
    raw = (document.raw or {}).get("spec")
    spec, problems = find_problems(RolloutSpec, {} if raw is None else raw)
    if spec is not None:
        return
    told = []
    for problem in problems:
        line, column = document.position(problem.place)
        told.append(f"{document.file}:{line}:{column}: {problem.sentence}")
    raise PluginError("\n       ".join(told), code=Exit.FAILED)

"""Advice about the way: how far each step goes, and who lets it go on."""

from collections.abc import Iterator, Sequence

from canary_operator.domain.spec.schema import Place
from canary_operator.domain.words import REQUEST_ANNOTATION
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.rules import Note, Rollout, Rule, SpecRule

STRATEGY: Place = ("spec", "strategy")
LARGEST_JUMP = 50
"""Points of percent from one weight to the next that are still a step."""
ALL = 100


def weight_jump(at: Rollout) -> Iterator[Note]:
    """What few requests have shown says little about many more."""
    weights = [step.weight for step in at.spec.strategy.resolved_steps]
    for index, (before, after) in enumerate(zip([0, *weights], weights, strict=False)):
        if after - before > LARGEST_JUMP:
            yield Note(
                _weight_place(at, index),
                f"The weight goes from {before} % to {after} % at once: {after - before} points "
                f"more, after {_seen(before)}.",
                f"A step between, such as weight: {(before + after) // 2}.",
            )
    if ALL - weights[-1] > LARGEST_JUMP:
        yield Note(
            _weight_place(at, len(weights) - 1),
            f"After {weights[-1]} % the promotion gives the new version the other "
            f"{ALL - weights[-1]} % at once: no check ever sees it with more than "
            f"{weights[-1]} % of the requests.",
            _further_steps(weights),
        )


def _seen(before: int) -> str:
    return f"checks of {before} % of the requests" if before else "no check at all"


def _further_steps(weights: Sequence[int]) -> str:
    middle = min(ALL // 2, (weights[-1] + ALL) // 2)
    return f"A last step of weight: {middle} or more."


def _weight_place(at: Rollout, index: int) -> Place:
    strategy = at.spec.strategy
    if strategy.steps is not None:
        return (*STRATEGY, "steps", index, "weight")
    first = index == 0 and strategy.step_weight is not None
    return (*STRATEGY, "stepWeight" if first else "maxWeight")


def approval_at_the_end(at: Rollout) -> Iterator[Note]:
    """Good where a person decides, and a rollout without end where nobody knows."""
    steps = at.spec.strategy.resolved_steps
    if steps[-1].approval:
        yield Note(
            (*STRATEGY, "steps", len(steps) - 1, "approval"),
            f"The last step, of {steps[-1].weight} %, waits for a person: the rollout stays there "
            f"until somebody says `kubectl canary approve {at.document.name or 'NAME'}`.",
        )


def left_paused(at: Rollout) -> Iterator[Note]:
    """A pause in a manifest stays until the manifest changes."""
    if at.spec.paused:
        yield Note(
            ("spec", "paused"),
            "spec.paused is true, so no weight is raised; checks go on and may roll back.",
            "Take it out when the rollout may go on; for a pause of one rollout there is "
            f"`kubectl canary pause {at.document.name or 'NAME'}`.",
        )


def request_in_a_manifest(at: Rollout) -> Iterator[Note]:
    """The operator removes a request it has answered, and every apply of the file asks again."""
    asked = (at.document.metadata.get("annotations") or {}).get(REQUEST_ANNOTATION)
    if asked is not None:
        yield Note(
            ("metadata", "annotations", REQUEST_ANNOTATION),
            f"The request {asked!r} is in the manifest: it is answered once and removed, and every "
            "apply asks for it again.",
            f"Take it out, and ask with `kubectl canary {str(asked).partition('/')[0]} "
            f"{at.document.name or 'NAME'}`.",
        )


STRATEGY_RULES: tuple[SpecRule, ...] = (
    Rule("weight-jump", Severity.WARNING, weight_jump),
    Rule("approval-at-the-end", Severity.INFO, approval_at_the_end),
    Rule("paused", Severity.INFO, left_paused),
    Rule("request-in-manifest", Severity.WARNING, request_in_a_manifest),
)

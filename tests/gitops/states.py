"""CanaryRollouts in every state that the operator can report, as the API stores them.

The conditions are not written here: they are what `report` makes of a situation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.report import TRANSIENT, report
from canary_operator.domain.situation import Problem, RouteState, Situation
from canary_operator.domain.status import HistoryEntry, Outcome, RolloutStatus
from canary_operator.testing.builders import spec
from canary_operator.testing.situations import (
    CANARY,
    NOW,
    STABLE,
    at_rest,
    on_first_step,
    pods,
    wanted,
    with_attempt,
    with_status,
)
from tests.gitops.kstatus import KStatus

GENERATION = 7
REFUSALS = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.INVALID_TEMPLATE,
        Reason.HOST_NOT_ALLOWED,
        Reason.HOST_CONFLICT,
        Reason.NAME_CONFLICT,
    }
)
"""Problems that somebody has to solve."""

REFUSED = "spec.strategy: not like this."
_WITH_APPROVAL = {"steps": [{"weight": 5, "hold": "10s", "approval": True}]}

_BY_HAND = {"steps": [{"weight": 5, "hold": "10s"}], "promotion": "Manual"}


@dataclass(frozen=True)
class State:
    """One state, and what tools must make of it."""

    name: str
    manifest: dict[str, Any]
    kstatus: KStatus
    health: str
    """Of Argo CD."""
    actions: frozenset[str] = frozenset()
    """Actions of Argo CD that make sense."""

    @property
    def phase(self) -> str | None:
        """Phase that is reported."""
        return (self.manifest.get("status") or {}).get("phase")


def manifest(status: dict[str, Any] | None, generation: int = GENERATION) -> dict[str, Any]:
    """Return a whole CanaryRollout, with everything in it that tools may stumble over."""
    whole: dict[str, Any] = {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {
            "name": "web",
            "namespace": "demo",
            "generation": generation,
            "resourceVersion": "4711",
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:canary-operator.dev/…"},
        },
        "spec": spec("v2", traffic={"istio": {}}),
    }
    return whole if status is None else whole | {"status": status}


def states() -> Iterator[State]:
    """Yield every state."""
    yield from first_seconds()
    for name, at in situations():
        yield _state(name, at)
        for reason in sorted(REFUSALS | TRANSIENT):
            yield _state(f"{name}, {reason}", _with_problem(at, reason))
    yield from _nothing_accepted()
    yield from _stale()


def first_seconds() -> Iterator[State]:
    """Yield what is seen before the operator looked."""
    defaulted = {"observedGeneration": -1}
    yield State(
        "made a moment ago", manifest(defaulted, generation=1), KStatus.IN_PROGRESS, "Progressing"
    )
    # The schema forbids it, but nothing may break where an old CRD is installed.
    yield State("without status", manifest(None, generation=1), KStatus.CURRENT, "Progressing")


def situations() -> Iterator[tuple[str, Situation]]:
    """Yield a known-good situation of every phase, and what may be special about it."""
    rest, step = at_rest(), on_first_step()
    yield "first pods come", with_status(rest, phase=Phase.INITIALIZING)
    late = with_status(rest, phase=Phase.INITIALIZING, progressed_at=NOW - timedelta(hours=1))
    yield "first pods do not come", replace(late, stable=pods(STABLE, 4, available=0))
    yield "at rest", rest
    yield "at rest, pods are missing", replace(rest, stable=pods(STABLE, 4, available=3))
    yield "at rest, another revision is next", replace(rest, wanted=wanted("v2"))
    yield "on a step", step
    paused = with_status(step, phase=Phase.PAUSED)
    yield "paused by request", with_attempt(paused, paused_by_request=True)
    yield "paused by the spec", replace(paused, wanted=wanted("v2", paused=True))
    yield "waits for approval", replace(paused, wanted=wanted("v2", strategy=_WITH_APPROVAL))
    yield "waits for promotion", replace(paused, wanted=wanted("v2", strategy=_BY_HAND))
    yield "promoting", with_status(step, phase=Phase.PROMOTING)
    back = _rolled_back(with_status(step, phase=Phase.ROLLING_BACK, weight=0))
    yield "rolling back", back
    spared = with_status(back, weight=5)
    yield "rolling back, stable has no pod", replace(spared, stable=pods(STABLE, 4, ready=0))
    yield "rolled back", with_status(back, phase=Phase.ROLLED_BACK, canary_revision=None)


def _rolled_back(at: Situation) -> Situation:
    ended = HistoryEntry(
        revision=CANARY,
        outcome=Outcome.ROLLED_BACK,
        reason=Reason.ANALYSIS_FAILED,
        message="2 failed checks.",
        started_at=NOW,
        finished_at=NOW,
        max_weight=5,
    )
    route = RouteState(exists=True, weight=0, rejected=CANARY)
    status = {"rejected_revision": CANARY, "history": (ended,)}
    return replace(with_status(at, **status), route=route)


def _with_problem(at: Situation, reason: Reason) -> Situation:
    return replace(at, problem=Problem(reason, REFUSED))


def _nothing_accepted() -> Iterator[State]:
    """Yield rollouts whose first spec is already wrong."""
    empty = replace(at_rest(), status=RolloutStatus(), wanted=None)
    for reason in sorted(REFUSALS | TRANSIENT):
        yield _state(f"never accepted, {reason}", _with_problem(empty, reason))


def _stale() -> Iterator[State]:
    """Yield states of a spec that is not the newest any more."""
    for name, at in situations():
        found = _state(name, at)
        newer = manifest(found.manifest["status"], GENERATION + 1)
        yield State(
            f"{name}, then edited", newer, KStatus.IN_PROGRESS, "Progressing", found.actions
        )


def _state(name: str, at: Situation) -> State:
    status = report(replace(at, generation=GENERATION)).to_json()
    found = _kstatus(at)
    health = {KStatus.CURRENT: "Healthy", KStatus.FAILED: "Degraded"}.get(found, "Progressing")
    if at.status.phase is Phase.PAUSED and at.problem is None:
        health = "Suspended"
    return State(name, manifest(status), found, health, frozenset(_actions(at)))


def _kstatus(at: Situation) -> KStatus:
    """Return what the table in docs/reference.md says, in kstatus' words."""
    if at.problem is not None:
        return KStatus.FAILED if at.problem.reason in REFUSALS else KStatus.IN_PROGRESS
    available = at.stable.available >= 4
    match at.status.phase:
        case Phase.ROLLED_BACK:
            return KStatus.FAILED
        case Phase.INITIALIZING if at.status.progressed_at and not available:
            return KStatus.FAILED
        case Phase.STABLE if available and at.wanted == wanted("v1"):
            return KStatus.CURRENT
        case _:
            return KStatus.IN_PROGRESS


def _actions(at: Situation) -> Iterator[str]:
    phase = at.status.phase
    if phase is Phase.PROGRESSING:
        yield "pause"
    strategy = at.wanted.spec.strategy if at.wanted else None
    by_hand = strategy is not None and strategy.promotion == "Manual"
    if phase is Phase.PAUSED and not (at.wanted and at.wanted.spec.paused) and not by_hand:
        yield "resume"
    if phase in IN_STEPS:
        yield "promote"
    if phase in ON_TRIAL or (phase is Phase.ROLLING_BACK and at.weight > 0):
        yield "abort"
    if phase is Phase.ROLLED_BACK:
        yield "retry"

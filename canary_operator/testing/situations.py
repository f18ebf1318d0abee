"""Known-good situations: a test changes one thing of them and looks at the decision."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from canary_operator.domain.phase import Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import (
    RouteState,
    Settings,
    Situation,
    TrackState,
    Wanted,
)
from canary_operator.domain.spec import parse_spec
from canary_operator.domain.status import (
    Attempt,
    CheckRecord,
    Judgement,
    RolloutStatus,
    Verdict,
)
from canary_operator.testing.builders import spec, template

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
STABLE, CANARY = revision_of(template("v1")), revision_of(template("v2"))


def pods(revision: str, count: int, **changes: Any) -> TrackState:
    """Return a Deployment whose pods are all of `revision` and available."""
    whole = TrackState(
        exists=True,
        revision=revision,
        replicas=count,
        current=True,
        pods=count,
        updated=count,
        ready=count,
        available=count,
    )
    return replace(whole, **changes)


def wanted(version: str, **changes: Any) -> Wanted:
    """Return the accepted spec of a version."""
    raw = spec(version, **changes)
    return Wanted(revision_of(raw["template"]), parse_spec(raw))


def at_rest() -> Situation:
    """Return a rollout whose stable revision serves everything."""
    return Situation(
        now=NOW,
        name="web",
        generation=1,
        status=RolloutStatus(phase=Phase.STABLE, stable_revision=STABLE, weight=0),
        wanted=wanted("v1"),
        stable=pods(STABLE, 4),
        canary=pods(STABLE, 0),
        route=RouteState(exists=True, weight=0),
        settings=Settings(scrape_interval=timedelta(seconds=5)),
    )


def on_first_step(**attempt: Any) -> Situation:
    """Return a rollout at 5 %, held and passed: it may go on to 20 %."""
    applied = NOW - timedelta(seconds=15)
    details: dict[str, Any] = {
        "started_at": applied - timedelta(seconds=5),
        "max_weight": 5,
        "step_weight": 5,
        "step_pods": 1,
        "peak_available": 1,
        "hold_started_at": applied,
        "last_check": CheckRecord(at=NOW - timedelta(seconds=1), verdict=Verdict.PASS),
    }
    status = RolloutStatus(
        phase=Phase.PROGRESSING,
        stable_revision=STABLE,
        canary_revision=CANARY,
        step=0,
        weight=5,
        weight_applied_at=applied,
        progressed_at=applied,
        attempt=Attempt(**(details | attempt)),
        metrics=(Judgement(name="success-rate", verdict=Verdict.PASS, value="100 %"),),
    )
    return replace(
        at_rest(),
        status=status,
        wanted=wanted("v2"),
        canary=pods(CANARY, 1),
        route=RouteState(exists=True, weight=5),
    )


def with_status(at: Situation, **changes: Any) -> Situation:
    """Return `at` with fields of its status changed."""
    return replace(at, status=at.status.model_copy(update=changes))


def with_attempt(at: Situation, **changes: Any) -> Situation:
    """Return `at` with fields of its attempt changed."""
    return with_status(at, attempt=at.attempt.model_copy(update=changes))

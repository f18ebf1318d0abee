"""What is known of one rollout: as little as its series and the next comparison need."""

from dataclasses import dataclass
from datetime import datetime

from canary_operator.domain.phase import Phase
from canary_operator.domain.status import Judgement, Outcome, RolloutStatus
from canary_operator.telemetry import Look

AT_REST = frozenset({None, Phase.STABLE, Phase.ROLLED_BACK})
"""Phases in which no rollout is under way."""

Ended = tuple[str, Outcome, str, datetime, datetime]
"""Revision, outcome, reason, start and end of a rollout."""


@dataclass(frozen=True, slots=True)
class State:
    """One CanaryRollout as the API server has it."""

    uid: str
    phase: Phase | None
    weight: int
    """Percent."""
    step: int
    """The first is 1; 0 for none."""
    steps: int
    conditions: tuple[tuple[str, str], ...]
    """Type and reason of those that are true."""
    progressed_at: datetime | None
    stable: str
    canary: str
    rejected: str
    checks: tuple[str, ...]
    """Names of what is checked; empty while no rollout is under way."""
    judged: tuple[tuple[str, str, datetime | None], ...]
    """Name, verdict and time of the latest checks."""
    ended: tuple[Ended, ...]
    """Rollouts that are over, newest first."""
    traffic_off_at: datetime | None


def state_of(look: Look) -> State:
    """Return what is worth keeping of a look."""
    status, spec = look.status, look.spec
    under_way = status.phase not in AT_REST
    return State(
        uid=look.rollout.uid,
        phase=status.phase,
        weight=status.weight or 0,
        step=0 if status.step is None else status.step + 1,
        steps=len(spec.strategy.resolved_steps) if spec else 0,
        conditions=tuple((c.type, c.reason) for c in status.conditions if c.status == "True"),
        progressed_at=status.progressed_at if under_way else None,
        stable=status.stable_revision or "",
        canary=status.canary_revision or "",
        rejected=status.rejected_revision or "",
        checks=tuple(m.name for m in spec.analysis.metrics) if spec and status.attempt else (),
        judged=tuple(_judged(one) for one in status.metrics),
        ended=_ended(status),
        traffic_off_at=status.traffic_off_at,
    )


def _judged(one: Judgement) -> tuple[str, str, datetime | None]:
    return one.name, one.verdict.value, one.measured_at


def _ended(status: RolloutStatus) -> tuple[Ended, ...]:
    return tuple(
        (one.revision, one.outcome, one.reason, one.started_at, one.finished_at)
        for one in status.history
    )

"""A plan for programs: plain data, times in seconds since the rollout began."""

from typing import Any

from canary_operator.plugin.offline.plan import Detection, Plan, Rung
from canary_operator.plugin.offline.simulation.exported import (
    setup_data,
    share_data,
    spread_data,
)
from canary_operator.plugin.offline.timetable import PlannedStep


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as plain data."""
    times = plan.timetable
    return {
        "namespace": times.namespace,
        "name": times.name,
        "canaryRevision": times.revision,
        "steps": [_step_data(one) for one in times.steps],
        "promotion": {
            "startsAt": times.steps[-1].ends_at.total_seconds(),
            "endsAt": times.promoted_at.total_seconds(),
            "pods": times.promotion_pods,
        },
        "assumedAnswers": list(plan.assumed),
        "detection": _detection_data(plan.detection) if plan.detection else None,
    }


def _step_data(planned: PlannedStep) -> dict[str, Any]:
    step, look = planned.step, planned.look
    return {
        "step": planned.index,
        "weight": step.weight,
        "hold": step.hold.total_seconds(),
        "approval": step.approval,
        "startsAt": planned.starts_at.total_seconds(),
        "endsAt": planned.ends_at.total_seconds(),
        "checks": [at.total_seconds() for at in planned.checks_at],
        "canaryPods": planned.canary_pods,
        "pods": planned.pods,
        "neededRequestsPerSecond": round(look.needed_rps, 3) if look else None,
    }


def _detection_data(found: Detection) -> dict[str, Any]:
    smallest = found.smallest
    return {
        **setup_data(found.setup),
        "runs": found.runs,
        "seed": found.seed,
        "healthy": _rung_data(found.healthy),
        "regressions": [_rung_data(rung) for rung in found.rungs],
        "smallest": smallest.extra if smallest else None,
        "reason": _reason(found),
    }


def _reason(found: Detection) -> str | None:
    """Return why there is no smallest regression; None where there is one."""
    if found.tells_nothing:
        return "HealthyVersionsRolledBack"
    return None if found.smallest else "NothingFound"


def _rung_data(rung: Rung) -> dict[str, Any]:
    return {
        "extraErrorRate": rung.extra,
        "played": rung.found.of,
        "rolledBack": share_data(rung.found),
        "undecided": share_data(rung.undecided),
        "seconds": spread_data(rung.seconds) if rung.seconds else None,
        "requestsHurt": spread_data(rung.hurt) if rung.hurt else None,
    }

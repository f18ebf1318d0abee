"""From ports to a situation: reads caches only, so it costs no request."""

from datetime import datetime

from canary_operator.domain.requests import parse_request
from canary_operator.domain.situation import CheckResult, Problem, Settings, Situation
from canary_operator.domain.status import RolloutStatus
from canary_operator.engine.accept import Acceptance
from canary_operator.ports import Ports, Rollout


def observe(  # noqa: PLR0913 - a situation has that many sources
    rollout: Rollout,
    acceptance: Acceptance,
    *,
    ports: Ports,
    settings: Settings,
    trouble: Problem | None,
    check: CheckResult | None,
    checked: int,
    now: datetime,
) -> Situation:
    """Return everything that the decision about `rollout` may look at."""
    ref = acceptance.wanted.spec.workload_ref if acceptance.wanted else None
    return Situation(
        now=now,
        name=rollout.key.name,
        generation=rollout.generation,
        status=RolloutStatus.read(rollout.status),
        wanted=acceptance.wanted,
        asked=acceptance.asked,
        problem=acceptance.problem or trouble,
        request=parse_request(rollout.request) if rollout.request is not None else None,
        stable=ports.workloads.track(rollout, "stable"),
        canary=ports.workloads.track(rollout, "canary"),
        route=ports.router.state(rollout, acceptance.wanted.spec if acceptance.wanted else None),
        service_selector=ports.workloads.selected_by(rollout) if ref else {},
        reference=ports.workloads.reference(rollout, ref.name) if ref else None,
        check=check,
        checked=checked,
        settings=settings,
    )

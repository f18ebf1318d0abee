"""From ports to a situation: reads caches only, so it costs no request."""

from collections.abc import Iterable
from datetime import datetime

from canary_operator.domain.requests import parse_request
from canary_operator.domain.situation import CheckResult, Problem, Settings, Situation
from canary_operator.domain.spec.workload import WorkloadRef
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.workload import referenced_name
from canary_operator.engine.accept import Acceptance
from canary_operator.ports import Accepted, Ports, Rollout


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
        reference=ports.workloads.reference(rollout, ref.name) if ref else None,
        of_reference=_taken_from(ref, ports.workloads.records(rollout)),
        check=check,
        checked=checked,
        settings=settings,
    )


def _taken_from(ref: WorkloadRef | None, records: Iterable[Accepted]) -> frozenset[str]:
    """Return which revisions were taken from the Deployment that a spec names, if it names one."""
    name = ref and ref.name
    named = (one for one in records if name and referenced_name(one.settings) == name)
    return frozenset(one.revision for one in named)

"""Where the pods of a spec come from, if not from the spec: a Deployment that it names."""

from collections.abc import Sequence
from dataclasses import replace

from canary_operator.domain.acceptance import check_named_ports
from canary_operator.domain.objects import STABLE
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.takeover import check_labels
from canary_operator.domain.workload import (
    Reference,
    check_unchanged,
    may_mean_the_same,
    referenced_name,
    with_pods_of,
)
from canary_operator.ports import Accepted, Rollout, Workloads


class PodSource:
    """Fills specs with the pods of the Deployments that they name."""

    def __init__(self, workloads: Workloads) -> None:
        self._workloads = workloads

    def given(self, rollout: Rollout) -> object:
        """Return what a spec takes from a Deployment: equal while that is the same."""
        seen = self._seen(rollout)
        return (seen.revision, seen.own_replicas) if seen else None

    def revision(self, rollout: Rollout) -> str:
        """Return the revision that a Deployment asks for; empty where there is none."""
        seen = self._seen(rollout)
        return seen.revision if seen else ""

    def _seen(self, rollout: Rollout) -> Reference | None:
        name = referenced_name(rollout.spec)
        return self._workloads.reference(rollout, name) if name else None

    async def fill(
        self, rollout: Rollout, spec: RolloutSpec, records: Sequence[Accepted]
    ) -> RolloutSpec:
        """Return a spec with its pods.

        Raises:
            WorkloadNotFoundError, NameConflictError, InvalidTemplateError, InvalidSpecError,
            SurroundingsError.
        """
        record = RolloutStatus.read(rollout.status).workload
        before, ref = _named_before(records), spec.workload_ref
        if record is not None:
            check_unchanged(before, ref.name if ref else None)
        if ref is not None:
            reference = await self._reference(rollout, ref.name)
            recorded = await self._meant(rollout, reference, records)
            seen = replace(reference, template=recorded.template) if recorded else reference
            known = record.replicas if record and record.name == ref.name else 0
            running = self._workloads.track(rollout, STABLE).replicas
            spec = with_pods_of(spec, seen, known=known, running=running)
            check_named_ports(spec)
        check_labels(rollout.key.name, spec.template.labels, self._workloads.selected_by(rollout))
        return spec

    async def _reference(self, rollout: Rollout, name: str) -> Reference:
        known = self._workloads.reference(rollout, name)
        return known or await self._workloads.follow(rollout, name)

    async def _meant(
        self, rollout: Rollout, reference: Reference, records: Sequence[Accepted]
    ) -> Accepted | None:
        """Return the record that a template means, where only defaults make it look different.

        A newer API server shows a Deployment that nobody touched with further fields. Whether they
        are no more than that is asked of itself: what would it make of the recorded template?
        """
        if any(record.revision == reference.revision for record in records):
            return None
        status = rollout.status
        kept = {status.get(f"{kind}Revision") for kind in ("stable", "canary", "rejected")}
        for record in records:
            near = record is records[0] or record.revision in kept
            if not near or not may_mean_the_same(record.template, reference.template):
                continue
            if await self._workloads.means(rollout, record.template, reference.template):
                return record
        return None


def _named_before(records: Sequence[Accepted]) -> str | None:
    """Return which Deployment the spec in force takes its pods from."""
    return referenced_name(records[0].settings) if records else None

"""One rollout in every phase, held there, and what an operator must leave alone."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from canary_operator.playground.client import Resource
from canary_operator.playground.controllers import Fault
from canary_operator.playground.controllers.instant import READY_AFTER_ANNOTATION
from tests.support.bed import Bed, Release, quick_spec, template
from tests.support.counting import asked, breakdown, writes

RECORDS = Resource("controllerrevisions", "apps", "v1")
SLOW = {"app": "web", "slow": "yes"}
STUCK_STABLE = "slow=yes,canary-operator.dev/track=stable"
AT_REST = ("Initializing", "Stable", "RolledBack")
"""Phases in which the operator has nothing to do, so that it writes nothing at all."""

STRATEGY = {
    "steps": [{"weight": 20, "hold": "10m"}, {"weight": 50}],
    "progressDeadline": "20m",
    "scaleDownDelay": "10m",
}
ANALYSIS = {
    **quick_spec()["analysis"],
    "metrics": [{"name": "success-rate", "successRate": {"min": 99}}],
}
KEPT = (
    "phase",
    "weight",
    "step",
    "stepProgress",
    "stableRevision",
    "canaryRevision",
    "rejectedRevision",
    "weightAppliedAt",
    "failedChecks",
)
"""Fields of a status that neither time nor checks that pass may change."""


def changed(**metadata: Any) -> dict[str, Any]:
    """Return the template of the second version."""
    return template("v2") | {"metadata": {"labels": {"app": "web"}, **metadata}}


@asynccontextmanager
async def every_phase(bed: Bed) -> AsyncIterator[dict[str, Release]]:
    """Bring one rollout into each phase and hold it there."""
    bed.cluster.kubelet.fail(STUCK_STABLE, Fault.UNREADY)
    try:
        releases = {
            "Initializing": await _initializing(bed),
            "Stable": await _release(bed),
            "Progressing": await _progressing(bed),
            "Paused": await _asked(bed, "pause", "Paused"),
            "Promoting": await _promoting(bed),
            "RollingBack": await _asked(bed, "abort", "RollingBack"),
            "RolledBack": await _asked(bed, "abort", "RolledBack", scaleDownDelay="1s"),
        }
        await _settled(releases)
        yield releases
    finally:
        bed.cluster.kubelet.heal(STUCK_STABLE)


async def _settled(releases: Mapping[str, Release]) -> None:
    """Wait until those at rest have told of their pods, and the last Event has been sent."""
    for phase in ("Stable", "RolledBack"):
        await releases[phase].until(lambda s: s["replicas"] == s["readyReplicas"] == 2)
    await releases["RolledBack"].until_event("RolledBack")


async def _release(bed: Bed, *, wait: bool = True, **strategy: Any) -> Release:
    return await bed.release(strategy={**STRATEGY, **strategy}, analysis=ANALYSIS, wait=wait)


async def _initializing(bed: Bed) -> Release:
    annotations = {READY_AFTER_ANNOTATION: "never"}
    pods = template() | {"metadata": {"labels": {"app": "web"}, "annotations": annotations}}
    release = await bed.release(template=pods, strategy=STRATEGY, analysis=ANALYSIS, wait=False)
    await release.until_phase("Initializing")
    return release


async def _progressing(bed: Bed) -> Release:
    release = await _release(bed)
    await release.apply(template=changed())
    await release.until_weight(20)
    return release


async def _asked(bed: Bed, request: str, phase: str, **strategy: Any) -> Release:
    release = await _release(bed, **strategy)
    await release.apply(template=changed())
    await release.until_weight(20)
    await release.ask(request)
    await release.until_phase(phase)
    return release


async def _promoting(bed: Bed) -> Release:
    release = await _release(bed)
    await release.apply(template=changed(labels=SLOW))
    await release.until_weight(20)
    await release.ask("promote")
    await release.until_phase("Promoting")
    return release


@dataclass
class Sight:
    """What stands in the cluster about one rollout."""

    status: Mapping[str, Any]
    records: list[tuple[str, str, int]]
    """Name, version and number of each ControllerRevision."""
    events: list[str]

    @classmethod
    async def of(cls, release: Release) -> "Sight":
        """Look."""
        found = await release.bed.client.list(RECORDS, release.namespace)
        return cls(
            status=await release.status(),
            records=sorted(_record(each) for each in found["items"]),
            events=sorted(await release.event_reasons()),
        )

    def kept(self) -> dict[str, Any]:
        """Return the fields that nothing but a decision changes."""
        return {field: self.status.get(field) for field in KEPT}

    def conditions(self) -> list[tuple[str, str, str, str]]:
        """Return type, status, reason and moment of each condition."""
        fields = ("type", "status", "reason", "lastTransitionTime")
        return [tuple(each[field] for field in fields) for each in self.status["conditions"]]


def _record(found: Mapping[str, Any]) -> tuple[str, str, int]:
    metadata = found["metadata"]
    return metadata["name"], metadata["resourceVersion"], found["revision"]


async def look(releases: Mapping[str, Release]) -> dict[str, Sight]:
    """Look at every rollout."""
    return {phase: await Sight.of(release) for phase, release in releases.items()}


async def check_untouched(releases: Mapping[str, Release], before: Mapping[str, Sight]) -> None:
    """Check that an operator that has looked at every rollout has left them alone.

    Its requests are counted since the last `forget_requests`.
    """
    for phase, release in releases.items():
        now, then = await Sight.of(release), before[phase]
        assert now.kept() == then.kept(), phase
        assert now.status["phase"] == phase
        assert now.conditions() == then.conditions(), phase
        assert now.records == then.records, phase
        assert now.events == then.events, phase
        routed = None if phase == "Initializing" else now.status["weight"]
        assert await release.route_weight() == routed, phase
        check_writes(release, at_rest=phase in AT_REST)


def check_writes(release: Release, *, at_rest: bool) -> None:
    """Check that nothing but the status was written, and not even that at rest."""
    written = writes(asked(release.bed.cluster, release.namespace))
    wrong = [each for each in written if at_rest or each.subresource != "status"]
    assert not wrong, (release.namespace, breakdown(wrong))

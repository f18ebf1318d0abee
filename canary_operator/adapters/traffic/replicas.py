"""No mesh: the Service that callers use, over the pods of one or of both tracks.

Its selector is open to both while the canary has a weight, and to stable only while it has none;
the share itself is made by the number of pods. The weight that was told stands in an annotation.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from canary_operator.adapters.cluster.apex import ApexServices
from canary_operator.adapters.cluster.cache import Caches
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.encoding import unpack
from canary_operator.adapters.cluster.errors import ApiError
from canary_operator.adapters.cluster.owned import owner_of
from canary_operator.adapters.cluster.services import refused_service
from canary_operator.domain.errors import DriftConflictError, HostConflictError
from canary_operator.domain.objects import (
    GROUP,
    REJECTED_ANNOTATION,
    REJECTED_BECAUSE_ANNOTATION,
    STABLE,
    apex_service,
)
from canary_operator.domain.reasons import REASONS, Reason
from canary_operator.domain.situation import RouteState
from canary_operator.domain.spec import RolloutSpec
from canary_operator.domain.takeover import taken_selector
from canary_operator.domain.target import RouteTarget
from canary_operator.ports import Rollout

WEIGHT_ANNOTATION = f"{GROUP}/weight"
"""What the router was told, in percent; it also says that the Service is a router's object."""

_ALL = 100
_LONGEST = 3
"""Digits of a weight; Python refuses to read a number of thousands of them."""
_WEBHOOK_PAUSE = timedelta(seconds=30)


class ReplicasRouter:
    """Port `TrafficRouter`."""

    def __init__(self, client: Client, caches: Caches) -> None:
        """Remember where to write; `services` of `caches` must be watched."""
        self._services = ApexServices(client, caches)

    def state(self, rollout: Rollout, spec: RolloutSpec | None = None) -> RouteState:  # noqa: ARG002
        """Return what the router was told, as last seen."""
        held = self._services.get(rollout, rollout.key.name)
        manifest = unpack(held.content.manifest) if held else {}
        annotations = manifest.get("metadata", {}).get("annotations", {})
        if WEIGHT_ANNOTATION not in annotations:
            return RouteState()  # not there, or not a router's object
        because = annotations.get(REJECTED_BECAUSE_ANNOTATION)
        selector = manifest["spec"].get("selector") or {}
        if self._services.selected_by(rollout):  # it was given; what it selects itself stays
            selector = taken_selector(selector)
        return RouteState(
            exists=True,
            weight=_weight(rollout, selector, annotations[WEIGHT_ANNOTATION]),
            rejected=annotations.get(REJECTED_ANNOTATION) or None,
            rejected_because=Reason(because) if because in REASONS else None,
        )

    async def claim(self, rollout: Rollout, spec: RolloutSpec) -> None:
        """Do nothing: no host is routed but the Service's own, which is the rollout's."""

    def contested(self, rollout: Rollout, spec: RolloutSpec) -> HostConflictError | None:  # noqa: ARG002
        """Return None: no host is routed."""
        return None

    def leave(self, rollout: Rollout) -> None:
        """Do nothing: nothing was kept of it."""

    async def set(self, rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> bool:
        """Open the Service to the canary's pods, or close it; return whether it was written."""
        wanted = _service(rollout, spec, target)
        try:
            written = await self._services.lead(rollout, spec, wanted, takes_over=target.takes_over)
        except ApiError as error:
            raise refused_service(wanted, error) from error
        if not target.takes_over or rollout.deleting:
            return written  # one that was given may lead elsewhere still
        if self.state(rollout).weight != target.weight:
            raise DriftConflictError(
                f"Service {rollout.key.name} was told {target.weight} % and does not have it: an "
                "admission webhook changes it. Exclude it from that webhook.",
                retry_after=_WEBHOOK_PAUSE,
            )
        return written

    def is_finished(self, rollout: Rollout) -> bool:  # noqa: ARG002
        """Return True: one write does it."""
        return True


def _service(rollout: Rollout, spec: RolloutSpec, target: RouteTarget) -> dict[str, Any]:
    """Return the Service, with the mark of a rollback in the same write."""
    marks = {
        WEIGHT_ANNOTATION: str(target.weight),
        REJECTED_ANNOTATION: target.rejected or "",
        REJECTED_BECAUSE_ANNOTATION: str(target.rejected_because or ""),
    }
    return apex_service(
        owner_of(rollout),
        spec.service.all_ports,
        track=None if target.weight else STABLE,
        annotations=marks,
    )


def _weight(rollout: Rollout, selector: Mapping[str, str], told: str) -> int | None:
    """Return the canary's share that a Service gives.

    None where somebody else's selector stands in it, or it is open and nobody says how far.
    """
    owner = owner_of(rollout)
    if selector == apex_service(owner, (), track=STABLE)["spec"]["selector"]:
        return 0
    is_open = selector == apex_service(owner, (), track=None)["spec"]["selector"]
    is_number = told.isascii() and told.isdigit() and len(told) <= _LONGEST
    weight = int(told) if is_number else 0
    return weight if is_open and 0 < weight < _ALL else None

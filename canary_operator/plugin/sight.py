"""What one look at a CanaryRollout shows: the object as typed data, and the times in it.

Times are worked out by the operator's own rules, on a situation made of what the object says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from canary_operator.domain.looks import next_check_at
from canary_operator.domain.objects import GROUP
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, Phase
from canary_operator.domain.revision import revision_of
from canary_operator.domain.situation import Situation, Wanted, step_index
from canary_operator.domain.spec import RolloutSpec, Step, find_problems
from canary_operator.domain.status import Condition, RolloutStatus
from canary_operator.domain.steps import deadline_at, guarded_until, hold_ends_at
from canary_operator.domain.words import REQUEST_ANNOTATION
from canary_operator.plugin.harmless import harmless_object

_NO_TIME = datetime.min.replace(tzinfo=UTC)
"""For rules that do not ask what time it is."""


class End(StrEnum):
    """How a rollout stands that is not under way."""

    SERVING = "serving"
    """The wanted revision is stable."""
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"
    """The spec, or the surroundings, do not let a rollout begin."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One CanaryRollout as one answer of the API server has it."""

    namespace: str
    name: str
    uid: str
    created_at: datetime | None
    generation: int
    resource_version: str
    status: RolloutStatus
    spec: RolloutSpec | None
    """None where the spec is one that the operator refuses."""
    raw: Mapping[str, Any]
    """The object."""
    request: str | None
    """The request that waits for the operator."""

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Sight":
        """Read a CanaryRollout as the API server sends it; nothing in it is taken for granted.

        What is shown is harmless; `raw` and `spec` are as they came.
        """
        meta = harmless_object(manifest.get("metadata") or {})
        spec, _ = find_problems(RolloutSpec, manifest.get("spec") or {})
        created = meta.get("creationTimestamp")
        return cls(
            namespace=meta.get("namespace") or "",
            name=meta.get("name") or "",
            uid=meta.get("uid") or "",
            created_at=datetime.fromisoformat(created) if created else None,
            generation=meta.get("generation") or 0,
            resource_version=str(meta.get("resourceVersion") or ""),
            status=RolloutStatus.read(harmless_object(manifest.get("status"))),
            spec=spec,
            raw=manifest,
            request=(meta.get("annotations") or {}).get(REQUEST_ANNOTATION),
        )

    @property
    def seen(self) -> bool:
        """Whether the operator has looked at the newest spec."""
        return self.status.phase is not None and self.status.observed_generation >= self.generation

    @property
    def weight(self) -> int:
        """Share of requests for the canary, in percent."""
        return self.status.weight or 0

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the newest spec; none where it is refused."""
        return self.spec.strategy.resolved_steps if self.spec else ()

    @property
    def step(self) -> int | None:
        """Index of the present step; None while none is under way."""
        if self.status.phase not in IN_STEPS or self.spec is None:
            return None
        return step_index(self.at(_NO_TIME))

    @property
    def wanted_revision(self) -> str | None:
        """Revision of the newest template."""
        return revision_of(self.spec.template.raw) if self.spec else None

    def condition(self, kind: str) -> Condition | None:
        """Return one condition."""
        return next((one for one in self.status.conditions if one.type == kind), None)

    @property
    def stalled(self) -> Condition | None:
        """The condition that says that nothing goes on without a person; None where it does."""
        found = self.condition("Stalled")
        return found if found is not None and found.status == "True" else None

    @property
    def end(self) -> End | None:
        """How it ended; None while the operator has something to do or has not looked yet."""
        if not self.seen:
            return None
        match self.status.phase:
            case Phase.ROLLED_BACK:
                return End.ROLLED_BACK
            case Phase.STABLE | Phase.INITIALIZING | None if self.stalled:
                return End.REFUSED
            case Phase.STABLE:
                return End.SERVING
            case _:
                return None

    def hold_ends_at(self) -> datetime | None:
        """Return when the present step was held long enough; None where nothing is held."""
        if self.status.phase not in IN_STEPS or self.spec is None or not self.weight:
            return None
        return hold_ends_at(self.at(_NO_TIME))

    def deadline_at(self) -> datetime | None:
        """Return when the rollout is rolled back for want of progress; None while that is off."""
        return None if self.spec is None else deadline_at(self.at(_NO_TIME))

    def next_check_at(self) -> datetime | None:
        """Return when the next check is due; None where none is, or it cannot be known here."""
        spec, attempt = self.spec, self.status.attempt
        if spec is None or attempt is None or self.status.phase not in ON_TRIAL:
            return None
        known = attempt.last_check is not None or spec.analysis.window is not None
        compared = spec.analysis.comparison is not None
        return next_check_at(self.at(_NO_TIME)) if known or compared else None

    def guarded_until(self) -> datetime | None:
        """Return until when a shared outage is waited out; None where there is none."""
        return None if self.spec is None else guarded_until(self.at(_NO_TIME))

    def at(self, now: datetime) -> Situation:
        """Return the situation as far as the object tells it.

        Raises:
            ValueError: the spec is refused.
        """
        if self.spec is None:
            raise ValueError("a refused spec makes no situation")
        wanted = Wanted(self.wanted_revision or "", self.spec)
        return Situation(now, self.name, self.generation, self.status, wanted)


def images_of(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the image of each container of a pod template, by the container's name, to show it."""
    containers = harmless_object((template.get("spec") or {}).get("containers") or ())
    return {one.get("name") or "": one.get("image") or "" for one in containers}


CANARY_ROLLOUT = f"canaryrollout.{GROUP}"
"""What an object is called in messages, as kubectl writes it: `canaryrollout…/web`."""

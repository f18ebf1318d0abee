"""What one look at a CanaryRollout shows: the object as typed data, and the times in it.

Times are worked out by the operator's own rules, on a situation made of what the object says.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from canary_operator.domain.looks import next_check_at
from canary_operator.domain.objects import GROUP
from canary_operator.domain.phase import IN_STEPS, ON_TRIAL, UNDER_WAY, Phase
from canary_operator.domain.requests import Verb, parse_request
from canary_operator.domain.revision import revision_of
from canary_operator.domain.scaling import stable_floor
from canary_operator.domain.situation import Situation, Wanted
from canary_operator.domain.spec import RolloutSpec, Step, find_problems
from canary_operator.domain.spec.schema import Place
from canary_operator.domain.status import Condition, RolloutStatus
from canary_operator.domain.steps import deadline_at, guarded_until, hold_ends_at, step_index
from canary_operator.domain.words import REQUEST_ANNOTATION
from canary_operator.plugin.harmless import harmless_object

_MOST_UNKNOWN = 50
"""Rounds in which a status is freed of what is not known."""

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
class Scaling:
    """What the operator lets the autoscalers of both versions do, as far as the status tells."""

    least: int
    most: int
    stable_floor: int
    """Pods that stable keeps, whatever its autoscaler thinks."""
    canary_floor: int | None = None
    """Pods that the canary keeps for its weight; None where it has none."""
    full_load: int | None = None
    """Pods that all requests take; None at rest, where stable's autoscaler has the word."""


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
    is_newer: bool
    """Whether the status says something that this version does not know."""
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
        status, is_newer = read_leniently(harmless_object(manifest.get("status") or {}))
        return cls(
            namespace=meta.get("namespace") or "",
            name=meta.get("name") or "",
            uid=meta.get("uid") or "",
            created_at=datetime.fromisoformat(created) if created else None,
            generation=meta.get("generation") or 0,
            resource_version=str(meta.get("resourceVersion") or ""),
            status=status,
            is_newer=is_newer,
            spec=spec,
            raw=manifest,
            request=(meta.get("annotations") or {}).get(REQUEST_ANNOTATION),
        )

    @property
    def seen(self) -> bool:
        """Whether the operator has looked at the newest spec."""
        return self.status.observed_generation >= self.generation

    @property
    def waiting_request(self) -> str | None:
        """The request that was not answered yet; an answered one only waits to be removed."""
        last = self.status.last_request
        answered = last is not None and not last.removed and last.value == self.request
        return None if answered else self.request

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
        """Revision of the newest template; None where it stands in a Deployment."""
        known = self.spec is not None and self.spec.has_pods
        return revision_of(self.spec.template.raw) if self.spec and known else None

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
                return None if self._is_to_be_retried else End.ROLLED_BACK
            case Phase.STABLE | Phase.INITIALIZING | None if self.stalled:
                return End.REFUSED
            case Phase.STABLE if self._serves_what_is_wanted:
                return End.SERVING
            case _:
                return None

    @property
    def _is_to_be_retried(self) -> bool:
        waiting = self.waiting_request
        return waiting is not None and parse_request(waiting).verb is Verb.RETRY

    @property
    def _serves_what_is_wanted(self) -> bool:
        ready = self.condition("Ready")
        wanted = self.wanted_revision
        whole = ready is not None and ready.status == "True"
        return whole and wanted in {None, self.status.stable_revision}

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

    def scaling(self, now: datetime) -> Scaling | None:
        """Return how the pods of both versions are scaled; None without `spec.autoscaling`."""
        bounds = self.spec.autoscaling if self.spec else None
        if bounds is None:
            return None
        at, known = self.at(now), self.status.phase in UNDER_WAY
        load = self.status.full_load if known else None
        return Scaling(
            least=bounds.min_replicas,
            most=bounds.max_replicas,
            stable_floor=stable_floor(at),
            canary_floor=at.split.pods_at(self.weight) if load and self.weight else None,
            full_load=load,
        )

    def at(self, now: datetime) -> Situation:
        """Return the situation as far as the object tells it.

        Raises:
            ValueError: the spec is refused.
        """
        if self.spec is None:
            raise ValueError("a refused spec makes no situation")
        wanted = Wanted(self.wanted_revision or "", self.spec)
        return Situation(now, self.name, self.generation, self.status, wanted)


def read_leniently(raw: Mapping[str, Any]) -> tuple[RolloutStatus, bool]:
    """Return a status without what this version does not know, and whether there was such.

    The operator may be newer than the plugin; one word that is new must not hide all the others.
    """
    left = harmless_object(raw)
    for _ in range(_MOST_UNKNOWN):
        try:
            return RolloutStatus.model_validate(left), left != raw
        except ValidationError as error:
            for problem in sorted(error.errors(), key=lambda one: str(one["loc"]), reverse=True):
                _drop(left, problem["loc"])
    return RolloutStatus(), True


def _drop(content: Any, place: Place) -> None:
    """Drop a field, or the entry of a list that it is in."""
    *path, last = place[: _entry_depth(place)]
    with suppress(KeyError, IndexError, TypeError):
        for part in path:
            content = content[part]
        del content[last]


def _entry_depth(place: Place) -> int:
    return next((index + 1 for index, part in enumerate(place) if isinstance(part, int)), 1)


def images_of(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the image of each container of a pod template, by the container's name, to show it."""
    containers = harmless_object((template.get("spec") or {}).get("containers") or ())
    return {
        one.get("name") or "": one.get("image") or ""
        for one in containers
        if isinstance(one, Mapping)
    }


CANARY_ROLLOUT = f"canaryrollout.{GROUP}"
"""What an object is called in messages, as kubectl writes it: `canaryrollout…/web`."""

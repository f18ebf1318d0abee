"""Writes down what the engine records of a rollout, as it records it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from canary_operator.domain.phase import Phase
from canary_operator.domain.reasons import Reason
from canary_operator.domain.status import Judgement, verdict_of
from canary_operator.plugin.offline.simulation.timeline import Check, Entry, Told, Turn
from canary_operator.testing.memory import World

UNSEEN = frozenset(
    {
        Reason.REQUEST_REFUSED,
        Reason.SPEC_DOUBTFUL,
        Reason.ROUTER_UNAVAILABLE,
        Reason.DRIFT_REPAIRED,
    }
)
"""Notices that say what neither a turn nor a check shows."""


@dataclass(slots=True)
class Recorder:
    """Watches the status of a world, from one write to the next."""

    world: World
    started: datetime
    entries: list[Entry] = field(default_factory=list)
    _before: Mapping[str, Any] = field(init=False)
    _told: int = field(init=False)

    def __post_init__(self) -> None:
        self._before, self._told = self.world.status, len(self.world.events)
        self.world.after_write = self._written

    @property
    def now(self) -> timedelta:
        """Time since the rollout began."""
        return self.world.now - self.started

    def note(self, entry: Entry) -> None:
        """Write down something that happened beside the status."""
        self.entries.append(entry)

    def take_notices(self) -> None:
        """Write down what the operator told and the status does not show."""
        for notice in self.world.events[self._told :]:
            if notice.reason in UNSEEN:
                self.note(Told(self.now, str(notice.reason), notice.message))
        self._told = len(self.world.events)

    def _written(self, what: str) -> None:
        if what != "status":
            return
        before, after = self._before, self.world.status
        self._before = after
        if _measured_at(after) not in {None, _measured_at(before)}:
            self._note_check(before, after)
        if _place(after) != _place(before):
            self._note_turn(before, after)

    def _note_check(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        metrics = tuple(Judgement.model_validate(one) for one in after["metrics"])
        failed = after.get("failedChecks") or 0
        weight = before.get("weight") or 0
        self.note(Check(self.now, weight, verdict_of(metrics), metrics, failed))

    def _note_turn(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        deployments = self.world.deployments
        canary = deployments.get("canary")
        turn = Turn(
            at=self.now,
            phase=Phase(after["phase"]),
            weight=after.get("weight") or 0,
            step=after.get("step"),
            canary_pods=canary.state().available if canary else 0,
            pods=sum(len(one.pods) for one in deployments.values()),
            reason=_reason(before, after),
        )
        self.note(turn)


def _measured_at(status: Mapping[str, Any]) -> Any:
    metrics = status.get("metrics")
    return metrics[0].get("measuredAt") if metrics else None


def _place(status: Mapping[str, Any]) -> tuple[Any, ...]:
    return status.get("phase"), status.get("weight"), status.get("step")


def _reason(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return why a turn was taken, where that is not the usual way up."""
    phase = after["phase"]
    if phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}:
        return str(after["history"][0]["reason"])
    if phase == Phase.PAUSED:
        return next((str(c["reason"]) for c in after["conditions"] if c["type"] == "Paused"), "")
    lower = (after.get("weight") or 0) < (before.get("weight") or 0)
    return str(Reason.CANARY_UNAVAILABLE) if lower and phase == before.get("phase") else ""

"""What the demo saw: status changes of one rollout, measurements, requests, second by second."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from canary_operator.playground.loadgen import Sample
from canary_operator.playground.picture import Event, Moment, Recording, Tone

WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the rollout's status."""

    at: float
    """Seconds since the load began."""
    phase: str
    weight: int
    step: str
    message: str
    history: tuple[Mapping[str, Any], ...] = ()


@dataclass(slots=True)
class Story:
    """Everything worth telling at the end."""

    seen: list[Seen] = field(default_factory=list)
    releases: list[tuple[float, str]] = field(default_factory=list)
    """When each version was applied."""

    def look(self, at: float, status: Mapping[str, Any]) -> Seen | None:
        """Remember a status; return it when phase, weight or step are new."""
        new = Seen(
            at=at,
            phase=status.get("phase") or "…",
            weight=status.get("weight") or 0,
            step=status.get("stepProgress") or "",
            message=status.get("message") or "",
            history=tuple(status.get("history") or ()),
        )
        last = self.seen[-1] if self.seen else None
        changed = last is None or (new.phase, new.weight, new.step) != (
            last.phase,
            last.weight,
            last.step,
        )
        self.seen.append(new)
        return new if changed else None

    def weight_at(self, moment: float) -> int:
        """Return the canary's weight at a time."""
        return next((seen.weight for seen in reversed(self.seen) if seen.at <= moment), 0)

    def time_to_roll_back(self) -> float | None:
        """Return the seconds from the faulty version's first traffic to its last."""
        began = None
        for before, after in zip(self.seen, self.seen[1:], strict=False):
            if before.weight == 0 < after.weight:
                began = after.at
            if after.phase == "RollingBack" and after.weight == 0 and began is not None:
                return after.at - began
        return None


def success_rate(sample: Sample, version: str) -> float | None:
    """Return the share of a version's answers that were no errors, in percent."""
    answers = sample.by_version.get(version, 0)
    if not answers:
        return None
    return WHOLE * (answers - sample.failed_by_version.get(version, 0)) / answers


def recording(story: Story, samples: list[Sample], footnote: str) -> Recording:
    """Return what the picture shows."""
    return Recording(
        title="canary-operator: v2 is promoted, the faulty v3 is rolled back",
        moments=[_moment(story, sample) for sample in samples],
        weights=[(seen.at, seen.weight) for seen in story.seen],
        events=tuple(_events(story)),
        threshold=99.0,
        footnote=footnote,
    )


def _versions_at(story: Story, moment: float) -> tuple[str, str]:
    """Return stable and canary at a time."""
    stable, canary = "v1", "v1"
    for at, version in story.releases:
        if at <= moment:
            canary = version
    promoted = any(
        seen.at <= moment and seen.history and seen.history[0].get("outcome") == "Promoted"
        for seen in story.seen
    )
    return ("v2" if promoted else stable), canary


def _moment(story: Story, sample: Sample) -> Moment:
    stable, canary = _versions_at(story, sample.at)
    weight = story.weight_at(sample.at)
    return Moment(
        at=sample.at,
        weight=weight,
        canary_success=success_rate(sample, canary) if weight and canary != stable else None,
        stable_success=success_rate(sample, stable),
        requests={version: float(count) for version, count in sorted(sample.by_version.items())},
        failed=float(sum(sample.failures.values())),
    )


def _events(story: Story) -> Iterator[Event]:
    for at, version in story.releases:
        yield Event(at, f"{version} applied")
    for before, after in zip(story.seen, story.seen[1:], strict=False):
        if after.phase == before.phase:
            continue
        match after.phase:
            case "Promoting":
                yield Event(after.at, "stable is rolled")
            case "Stable" if before.phase == "Promoting":
                yield Event(after.at, "promoted", Tone.GOOD)
            case "RollingBack":
                yield Event(after.at, "rolled back", Tone.BAD)

"""When a Lease may be taken, and what is written into it; pure, without clock and network."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Times:
    """How long everything takes, in seconds."""

    lease: float = 10.0
    """Without a renewal for so long, others take over."""
    renew_within: float = 6.0
    """Without a renewal for so long, the leader stops; below `lease`, so that it ends first."""
    retry: float = 2.0
    """From one renewal, or one failed try, to the next."""

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.renew_within < self.lease:
            raise ValueError("retry, renew_within and lease must grow in this order")


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in a Lease."""

    version: str
    """`resourceVersion`: a write is conditional on it."""
    holder: str = ""
    """Who leads; empty for nobody."""
    duration: float = 0.0
    """Seconds that its holder promised to stay away from after the last renewal."""
    renewed_at: str = ""
    """The holder's own time of the last renewal: only compared with itself, never with a clock."""
    transitions: int = 0

    @classmethod
    def read(cls, manifest: Mapping[str, Any]) -> "Record":
        """Read a Lease; whatever is missing counts as not said."""
        spec = manifest.get("spec") or {}
        return cls(
            version=manifest["metadata"]["resourceVersion"],
            holder=spec.get("holderIdentity") or "",
            duration=float(spec.get("leaseDurationSeconds") or 0),
            renewed_at=spec.get("renewTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """A Lease, and since when nothing about it has changed."""

    record: Record | None
    since: float
    """Seconds of the own clock at which this renewal was seen first."""
    last_holder: Record | None = None
    """Who held a Lease that somebody deleted: that one may not know yet."""

    def free_at(self, me: str, times: Times) -> float:
        """Return the second of the own clock from which on `me` may take the Lease."""
        held = self.record or self.last_holder
        if (
            held is None
        ):  # never made, or deleted before we came: its holder finds out when it renews
            return self.since + 2 * times.retry
        if held.holder in {"", me}:
            return self.since
        return self.since + (held.duration or times.lease)


def observe(before: Observed | None, record: Record | None, now: float) -> Observed:
    """Return what is known after `record` was read at `now`."""
    known = before.record or before.last_holder if before else None
    if record is None:
        since = before.since if before and before.record is None else now
        return Observed(None, since, known if known and known.holder else None)
    unchanged = known is not None and _renewal(known) == _renewal(record)
    return Observed(record, before.since if before and unchanged else now)


def _renewal(record: Record) -> tuple[str, str]:
    return record.holder, record.renewed_at


def claim(me: str, times: Times, before: Record | None, now: datetime) -> dict[str, Any]:
    """Return the spec of a Lease that `me` takes."""
    transitions = 0 if before is None else before.transitions + (before.holder != me)
    return {**renewal(me, times, now), "acquireTime": _time(now), "leaseTransitions": transitions}


def renewal(me: str, times: Times, now: datetime) -> dict[str, Any]:
    """Return what changes in the spec when `me` goes on."""
    return {
        "holderIdentity": me,
        "leaseDurationSeconds": max(1, round(times.lease)),
        "renewTime": _time(now),
    }


def release(now: datetime) -> dict[str, Any]:
    """Return what changes in the spec when its holder gives it back."""
    return {"holderIdentity": None, "leaseDurationSeconds": 1, "renewTime": _time(now)}


def _time(moment: datetime) -> str:
    """Return a MicroTime of Kubernetes: always six digits."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

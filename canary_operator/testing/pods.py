"""Deployments and pods in memory, one deliberate move at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil

from canary_operator.domain.situation import TrackState


@dataclass(slots=True)
class Pod:
    """A pod of one revision."""

    revision: str
    available: bool = False
    created_at: datetime | None = None
    """None where pods need no time to start."""

    def starts_at(self, after: timedelta) -> datetime | None:
        """Return when the pod can become available; None where it takes no time."""
        return None if self.created_at is None else self.created_at + after


@dataclass(slots=True)
class Deployment:
    """A Deployment that moves when told to, by the rules that ours ask Kubernetes for."""

    track: str
    revision: str
    replicas: int
    pods: list[Pod] = field(default_factory=list)
    seen: bool = True
    """Whether the controller has looked at the latest change."""

    def state(self) -> TrackState:
        """Return what the Deployment's status says."""
        available = sum(pod.available for pod in self.pods)
        return TrackState(
            exists=True,
            revision=self.revision,
            replicas=self.replicas,
            current=self.seen,
            pods=len(self.pods),
            updated=sum(pod.revision == self.revision for pod in self.pods),
            ready=available,
            available=available,
        )

    def move(
        self,
        starts: Callable[[str], bool],
        now: datetime | None = None,
        pod_start: timedelta = timedelta(),
    ) -> bool:
        """Do one thing that the controller or a kubelet would do; return whether there was one.

        Args:
            starts: Whether a pod of a revision becomes available.
            now: Only needed where `pod_start` is not 0.
            pod_start: Time from a pod's creation until it is available.
        """
        if not self.seen:
            self.seen = True
            return True
        return (
            self._remove_one() or self._create_one(now) or self._start_one(starts, now, pod_start)
        )

    def next_start(
        self, starts: Callable[[str], bool], now: datetime, pod_start: timedelta
    ) -> datetime | None:
        """Return when the next pod becomes available, if nothing happens before; None for never."""
        waiting = (pod for pod in self.pods if not pod.available and starts(pod.revision))
        return min((pod.starts_at(pod_start) or now for pod in waiting), default=None)

    def move_all(self, starts: Callable[[str], bool]) -> None:
        """Move until nothing is left to do."""
        while self.move(starts):
            pass

    @property
    def _surge(self) -> int:
        return ceil(self.replicas / 4) if self.track == "stable" else self.replicas

    def _remove_one(self) -> bool:
        new = [pod for pod in self.pods if pod.revision == self.revision]
        old = [pod for pod in self.pods if pod.revision != self.revision]
        surplus = len(new) > self.replicas
        least = self.replicas if self.track == "stable" else 0
        spare = sum(pod.available for pod in self.pods) > least
        candidates = new if surplus else [pod for pod in old if spare or not pod.available]
        for pod in sorted(candidates, key=lambda pod: pod.available):
            self.pods.remove(pod)
            return True
        return False

    def _create_one(self, now: datetime | None) -> bool:
        new = sum(pod.revision == self.revision for pod in self.pods)
        if new < self.replicas and len(self.pods) < self.replicas + max(1, self._surge):
            self.pods.append(Pod(self.revision, created_at=now))
            return True
        return False

    def _start_one(
        self, starts: Callable[[str], bool], now: datetime | None, pod_start: timedelta
    ) -> bool:
        for pod in self.pods:
            ready_at = pod.starts_at(pod_start)
            due = now is None or ready_at is None or ready_at <= now
            if due and not pod.available and starts(pod.revision):
                pod.available = True
                return True
        return False

"""Deployments and pods in memory, one deliberate move at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from canary_operator.domain.situation import TrackState


@dataclass(slots=True)
class Pod:
    """A pod of one revision."""

    revision: str
    available: bool = False


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

    def move(self, starts: Callable[[str], bool]) -> bool:
        """Do one thing that the controller or a kubelet would do; return whether there was one.

        Args:
            starts: Whether a pod of a revision becomes available.
        """
        if not self.seen:
            self.seen = True
            return True
        return self._remove_one() or self._create_one() or self._start_one(starts)

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

    def _create_one(self) -> bool:
        new = sum(pod.revision == self.revision for pod in self.pods)
        if new < self.replicas and len(self.pods) < self.replicas + max(1, self._surge):
            self.pods.append(Pod(self.revision))
            return True
        return False

    def _start_one(self, starts: Callable[[str], bool]) -> bool:
        for pod in self.pods:
            if not pod.available and starts(pod.revision):
                pod.available = True
                return True
        return False

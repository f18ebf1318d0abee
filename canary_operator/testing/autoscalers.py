"""Autoscalers in memory: what they want is for tests to say."""

from dataclasses import dataclass

from canary_operator.domain.situation import ScalerState
from canary_operator.domain.target import Bounds
from canary_operator.testing.pods import Deployment


@dataclass(slots=True)
class Autoscaler:
    """A HorizontalPodAutoscaler of one Deployment."""

    least: int
    most: int
    desired: int = 0
    """Pods that it asked for last; 0 before it decided anything."""
    ambiguous: bool = False
    """Whether another one counts the same pods; then it asks for nothing."""

    def state(self) -> ScalerState:
        """Return what there is to be seen of it."""
        return ScalerState(self.least, self.most, self.desired, self.ambiguous)

    def scale(self, deployment: Deployment, pods: int) -> bool:
        """Ask for `pods`, as far as the bounds allow; return whether that is another number.

        As in Kubernetes, a Deployment without pods is left alone.
        """
        if deployment.replicas == 0 or self.ambiguous:
            return False
        self.desired = min(max(pods, self.least), self.most)
        changed = deployment.replicas != self.desired
        if changed:
            deployment.replicas, deployment.seen = self.desired, False
        return changed


def is_as_asked(seen: ScalerState | None, bounds: Bounds | None) -> bool:
    """Whether there is what is asked for: an autoscaler with these bounds, or none."""
    return (seen and (seen.least, seen.most)) == (bounds and (bounds.least, bounds.most))


def set_bounds(scalers: dict[str, Autoscaler], track: str, bounds: Bounds | None) -> None:
    """Make, change or remove the autoscaler of a track."""
    found = scalers.get(track)
    if bounds is None:
        scalers.pop(track, None)
    elif found is None:
        scalers[track] = Autoscaler(bounds.least, bounds.most)
    else:
        found.least, found.most = bounds.least, bounds.most

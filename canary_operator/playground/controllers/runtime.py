"""The port between the kubelet stand-in and what really happens to pods."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.pod_status import PodState

Report = Callable[[PodState], None]
"""Tells the kubelet that something about a pod changed; called on the event loop."""

PORT_ANNOTATION = "playground.canary-operator.dev/port"
"""Where a pod really listens, when its address is shared with others (no 127.0.0.0/8)."""


class Fault(Enum):
    """What a test does to pods."""

    UNREADY = "unready"
    """The readiness probe fails; the container goes on running."""
    CRASH = "crash"
    """The container exits, and exits again at each start."""


class RunningPod(Protocol):
    """One pod while it exists on the node."""

    def inject(self, fault: Fault | None) -> None:
        """Let the pod suffer `fault` from now on, or recover with `None`."""
        ...

    async def stop(self, grace_seconds: float) -> None:
        """End the pod: politely, and after `grace_seconds` by force. Nothing is reported after."""
        ...


class PodRuntime(Protocol):
    """Runs pods."""

    def start(self, pod: Manifest, report: Report, fault: Fault | None) -> RunningPod:
        """Start a bound pod, with a fault from the first moment where one is given."""
        ...


@dataclass(frozen=True)
class Backoff:
    """How long a container waits for its next start.

    The real kubelet waits 10 s to 5 min; a playground has less time. The first restart comes at
    once, as there.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 30.0

    def seconds(self, restarts: int) -> float:
        """Return the wait before the next start of a container that was restarted so often.

        Example:
            >>> [Backoff(10, 300).seconds(restarts) for restarts in (0, 1, 2, 3, 9)]
            [0.0, 10.0, 20.0, 40.0, 300.0]
        """
        if restarts == 0:
            return 0.0
        doubled = self.first_seconds * 2.0 ** min(restarts - 1, 30)
        return min(doubled, float(self.longest_seconds))

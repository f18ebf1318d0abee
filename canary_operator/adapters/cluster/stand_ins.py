"""A Service that was taken over is gone: one like it stands in, if nobody brings it back at once.

It is made as its owner would have given it: nothing owns it, so it does not go with the rollout,
and whoever applies the Service again takes it over. A tool that replaces a Service deletes it and
makes it anew right after; it must not find one there.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.cache import ObjectCache, Place
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.resources import SERVICES
from canary_operator.adapters.cluster.seen import SeenManifest
from canary_operator.domain.errors import DriftConflictError
from canary_operator.domain.status import RolloutStatus
from canary_operator.domain.takeover import stand_in
from canary_operator.ports import Rollout

PATIENCE_SECONDS = 5.0
"""How long its owner has to bring it back."""


def adopted_selector(rollout: Rollout) -> dict[str, str] | None:
    """Return what the Service that was taken over selected by itself; None where none was."""
    record = RolloutStatus.read(rollout.status).workload
    return record.service_selector if record else None


class StandIns:
    """Services in the place of those that were taken over."""

    def __init__(
        self,
        client: Client,
        cache: ObjectCache[SeenManifest],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start empty; a restart waits once more."""
        self._client = client
        self._cache = cache
        self._clock = clock
        self._missed: dict[Place, float] = {}

    def is_back(self, place: Place) -> None:
        """Forget that a Service was missed."""
        self._missed.pop(place, None)

    async def make(self, rollout: Rollout, wanted: Manifest, selector: dict[str, str]) -> bool:
        """Make a Service in the place of one that selected by `selector` itself.

        Raises:
            DriftConflictError: its owner has some time yet.
            ConflictError: one is there again, and differs.
            ApiError: the server refuses it.
        """
        place, now = (rollout.key.namespace, rollout.key.name), self._clock()
        left = self._missed.setdefault(place, now) + PATIENCE_SECONDS - now
        if left > 0:
            raise DriftConflictError(
                f"Service {place[1]}, which was given to this rollout, is gone, and callers reach "
                "nobody by it. Apply it again. If nobody does now, the operator makes one in its "
                "place, which the next apply takes over.",
                retry_after=timedelta(seconds=left),
            )
        # What is created also owns its defaults, such as `type`, and its owner's apply conflicts.
        answer = await self._client.apply(SERVICES, stand_in(wanted, selector), force=False)
        self._cache.learned(answer)
        self.is_back(place)
        return True

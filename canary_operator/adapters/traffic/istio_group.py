"""The Service of a focused canary's group: stable's pods once more, under a name of their own.

Telemetry tells requests apart by the Service that they were sent to. So what stable serves of the
group goes to `<name>-match`, and only that is compared with the canary.

A proxy that hears of a route before it hears of the Service's pods fails requests. So the route
names the Service only when that has been there for a while, and the Service goes a while after the
route has stopped naming it. In between, the group's requests go where all others go.
"""

import asyncio
import time
from collections.abc import Callable

from canary_operator.adapters.cluster.cache import Caches, Place
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import ApiError, NotFoundError
from canary_operator.adapters.cluster.owned import owner_of
from canary_operator.adapters.cluster.resources import SERVICES
from canary_operator.adapters.cluster.services import OwnedServices
from canary_operator.adapters.traffic.istio_writes import remove
from canary_operator.domain.errors import InvalidSpecError, UnavailableError
from canary_operator.domain.objects import MATCH, match_service, track_name
from canary_operator.domain.spec import RolloutSpec
from canary_operator.ports import Key, Rollout

SETTLING_SECONDS = 5.0
"""How long proxies may take to follow a Service that comes or goes."""


class GroupServices:
    """The Services of all focused rollouts."""

    def __init__(self, client: Client, caches: Caches, wake: Callable[[Key], None]) -> None:
        """Start without knowing when anything was made; what is there already is settled.

        Args:
            client: The API server.
            caches: Their `services` must be watched.
            wake: Has a rollout looked at again.
        """
        self._client = client
        self._services = OwnedServices(client, caches.services)
        self._cache = caches.services
        self._wake = wake
        self._made: dict[Place, float] = {}
        """When each Service was made that is not settled yet."""
        self._unused: dict[Place, float] = {}
        """Since when each Service is not named any more."""
        caches.services.on_removal(self._forget)

    def settle(self, rollout: Rollout) -> bool:
        """Return whether a route may name the Service from now on."""
        if self._services.get(rollout, _name(rollout)) is None:
            return False
        made = self._made.get(_place(rollout))
        if made is not None and time.monotonic() - made < SETTLING_SECONDS:
            return False
        self._made.pop(_place(rollout), None)
        return True

    def is_finished(self, rollout: Rollout) -> bool:
        """Whether no Service waits for proxies to follow, before its route or its end."""
        place = _place(rollout)
        return place not in self._made and place not in self._unused

    async def ensure(self, rollout: Rollout, spec: RolloutSpec) -> bool:
        """Make the Service look as `spec.service` says; return whether something was written."""
        self._unused.pop(_place(rollout), None)
        was_there = self._services.get(rollout, _name(rollout)) is not None
        wanted = match_service(owner_of(rollout), spec.service.all_ports)
        try:
            written = await self._services.ensure(rollout, wanted)
        except NotFoundError as error:
            raise UnavailableError(error.message) from error
        except ApiError as error:
            raise InvalidSpecError(
                f"spec.service: the API server refuses Service {_name(rollout)}: {error.message}"
            ) from error
        if written and not was_there:
            self._made[_place(rollout)] = time.monotonic()
            self._look_again(rollout)
        return written

    async def remove(self, rollout: Rollout) -> None:
        """Remove a Service that no route names, once proxies had the time to notice."""
        held = self._services.get(rollout, _name(rollout))
        if held is None or rollout.deleting:
            return
        place, now = _place(rollout), time.monotonic()
        if place not in self._unused:
            self._unused[place] = now
            self._look_again(rollout)
        if now - self._unused[place] < SETTLING_SECONDS:
            return
        await remove(self._client, SERVICES, self._cache, held)

    def _forget(self, place: Place) -> None:
        self._made.pop(place, None)
        self._unused.pop(place, None)

    def _look_again(self, rollout: Rollout) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(SETTLING_SECONDS + 0.1, self._wake, rollout.key)


def _place(rollout: Rollout) -> Place:
    return rollout.key.namespace, _name(rollout)


def _name(rollout: Rollout) -> str:
    return track_name(rollout.key.name, MATCH)

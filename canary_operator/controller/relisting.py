"""What is gone after a gap in a watch: kopf does not tell, so we look.

Where the API server has forgotten what a watch would go on from (410), kopf lists again and tells
of everything that is there. An object that was deleted in the gap is not there, and no event says
so; without a look it would stay in its cache for ever, and what is missing would not be made anew.
The same holds for what is deleted at a start, after the first reading and before kopf's first list.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable

from canary_operator.domain.errors import CanaryOperatorError
from canary_operator.ports import Key

logger = logging.getLogger(__name__)

Place = tuple[str, str]
"""Resource, as `deployments.apps`, and namespace; empty for all namespaces."""

PAUSE_SECONDS = 2.0
CONFIRMED_WITHIN_SECONDS = 10.0
"""How long kopf may take to tell of everything that it listed first."""


class Relisting:
    """Follows kopf's requests, and has a resource read again after each further list of it."""

    def __init__(
        self,
        read_again: Callable[[str], Awaitable[Iterable[Key]]],
        wake: Callable[[Key], None],
        is_confirmed: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Begin with nothing.

        Args:
            read_again: Reads a resource, such as `deployments.apps`, into its cache; returns the
                rollouts about which that told something new.
            wake: Looks at a rollout.
            is_confirmed: Whether a watch of a resource told of everything that was read at first.
        """
        self._is_confirmed = is_confirmed
        self._read_again = read_again
        self._wake = wake
        self._watched: set[Place] = set()
        self._listed_again: set[Place] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def asked(self, verb: str, resource: str, namespace: str) -> None:
        """Take in a request that kopf sends: a watch that follows a list means that it is over."""
        place = (resource, namespace)
        if verb == "list" and place in self._watched:
            self._listed_again.add(place)
        elif verb == "watch" and place not in self._watched:
            self._watched.add(place)
            self._start(resource, self._confirm(resource))
        elif verb == "watch" and place in self._listed_again:
            self._listed_again.discard(place)
            self._start(resource, self._run(resource))

    async def stop(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, resource: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"read {resource} again")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _confirm(self, resource: str) -> None:
        await asyncio.sleep(CONFIRMED_WITHIN_SECONDS)
        if not self._is_confirmed(resource):
            await self._run(resource)

    async def _run(self, resource: str) -> None:
        while True:
            try:
                keys = await self._read_again(resource)
            except CanaryOperatorError as error:
                logger.debug("%s cannot be read again yet: %s", resource, error)
            except Exception:
                logger.exception("%s could not be read again, unexpectedly", resource)
                return
            else:
                for key in keys:
                    self._wake(key)
                return
            await asyncio.sleep(PAUSE_SECONDS)

"""The first reading of everything: before it, nobody is looked at and nobody competes to lead.

kopf is started afterwards, and its watches keep the caches fresh. So a restart never mistakes "not
seen yet" for "not there", and an operator that cannot read does not take the lead from one that
can.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from canary_operator.adapters.cluster.errors import ApiError
from canary_operator.domain.errors import CanaryOperatorError

logger = logging.getLogger(__name__)

PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Between tries; the last one again and again."""
TELL_AGAIN_TRIES = 6


class Filling:
    """Fills the caches once, and knows whether watches keep them fresh."""

    def __init__(self, read: Callable[[], Awaitable[object]], essential: str) -> None:
        """Begin with nothing.

        Args:
            read: Reads everything into the caches.
            essential: The resource without which there is nothing to do.
        """
        self._read = read
        self._essential = essential
        self._trouble = "not read yet"
        self._filled = False
        self._watched = False

    async def until_filled(self) -> None:
        """Read everything, and try again until that succeeds."""
        tries = 0
        while not self._filled:
            try:
                await self._read()
            except (ApiError, CanaryOperatorError) as error:
                self._complain(tries, str(error))
                await asyncio.sleep(PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS) - 1)])
                tries += 1
            else:
                self._filled = True

    def _complain(self, tries: int, words: str) -> None:
        """Say what is in the way, and again about once a minute."""
        if words != self._trouble or tries % TELL_AGAIN_TRIES == 0:
            logger.warning("The operator cannot begin yet: %s", words)
        self._trouble = words

    def asked(self, verb: str, resource: str, _: str) -> None:
        """Take in a request that kopf sends."""
        self._watched = self._watched or (verb == "watch" and resource == self._essential)

    def missing(self) -> str | None:
        """Say what is missing until the caches are filled and kept fresh; None for nothing."""
        if not self._filled:
            return self._trouble
        return None if self._watched else f"{self._essential} not watched yet"

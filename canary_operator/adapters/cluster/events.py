"""Events for people: sent in the background, counted instead of repeated, never in the way.

They are core/v1 Events: `kubectl describe` orders Events by `lastTimestamp`, which the newer
events.k8s.io/v1 does not let a client set.
"""

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import AlreadyExistsError, ApiError, NotFoundError
from canary_operator.adapters.cluster.resources import EVENTS
from canary_operator.domain.errors import CanaryOperatorError, UnavailableError
from canary_operator.domain.notices import Notice
from canary_operator.domain.objects import GROUP, KIND, MANAGER, VERSION
from canary_operator.domain.recorded import format_time
from canary_operator.ports import Rollout

logger = logging.getLogger(__name__)

_MOST_WAITING = 1000
_MOST_REMEMBERED = 4000
_SAME_WITHIN = timedelta(minutes=10)
_LONGEST_MESSAGE_BYTES = 1024
_LONGEST_INSTANCE = 128
_PAUSES_SECONDS = (0.5, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class _Told:
    """An Event that was sent: the next equal one is counted on it."""

    name: str
    count: int
    at: datetime


@dataclass(frozen=True, slots=True)
class _Waiting:
    rollout: Rollout
    notice: Notice
    at: datetime

    @property
    def identity(self) -> tuple[str, Notice]:
        return self.rollout.uid, self.notice


class ClusterEvents:
    """Port `EventSink`; `start` it on the event loop, and `stop` it at the end."""

    def __init__(
        self,
        client: Client,
        instance: str,
        clock: Callable[[], datetime],
        pauses: tuple[float, ...] = _PAUSES_SECONDS,
    ) -> None:
        """Prepare; nothing is sent before `start`.

        Args:
            client: Where to send.
            instance: Name of this pod or host.
            clock: Tells the time.
            pauses: Seconds before each further try of an Event that could not be sent.
        """
        self._client = client
        self._instance = instance[:_LONGEST_INSTANCE] or MANAGER
        self._clock = clock
        self._pauses = pauses
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(_MOST_WAITING)
        self._told: OrderedDict[tuple[str, Notice], _Told] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def tell(self, rollout: Rollout, notice: Notice) -> None:
        """Publish an Event, some time soon; equal ones are counted, not repeated."""
        if rollout.deleting:
            return
        try:
            self._queue.put_nowait(_Waiting(rollout, notice, self._clock()))
        except asyncio.QueueFull:
            facts = _facts(rollout, notice)
            logger.warning("Event dropped, too many wait: %s", notice.reason, extra=facts)

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(), name="events")

    @property
    def alive(self) -> bool:
        """Whether Events are sent, or have been to the end."""
        return self._task is None or not self._task.done()

    async def stop(self, within_seconds: float = 3.0) -> None:
        """Send what is waiting, as far as there is time, and end."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(within_seconds):
                await self._queue.join()
        except TimeoutError:
            logger.warning("Events dropped at the end: count=%d", self._queue.qsize())
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    def drop(self) -> None:
        """Forget what is waiting: it is not ours to tell any more."""
        while not self._queue.empty():
            self._queue.get_nowait()
            self._queue.task_done()

    async def _run(self) -> None:
        while True:
            waiting = await self._queue.get()
            try:
                await self._send(waiting)
            except Exception:
                facts = _facts(waiting.rollout, waiting.notice)
                logger.exception("Event failed unexpectedly", extra=facts)
            finally:
                self._queue.task_done()

    async def _send(self, waiting: _Waiting) -> None:
        name = f"{waiting.rollout.key.name}.{secrets.token_hex(8)}"
        facts = _facts(waiting.rollout, waiting.notice)
        for pause in (*self._pauses, None):
            try:
                await self._publish(waiting, name)
            except UnavailableError as error:
                if pause is None:
                    logger.warning("Event dropped: %s", error, extra=facts)
                    return
                await asyncio.sleep(pause)
            except (ApiError, CanaryOperatorError) as error:
                logger.warning("Event refused: %s", error, extra=facts)
                return
            else:
                return

    async def _publish(self, waiting: _Waiting, name: str) -> None:
        if await self._count(waiting):
            return
        with suppress(AlreadyExistsError):  # an earlier try got through, its answer was lost
            await self._client.create(EVENTS, self._event(waiting, name))
        self._remember(waiting, _Told(name, 1, waiting.at))

    async def _count(self, waiting: _Waiting) -> bool:
        """Count one more of an Event that was told lately; False where there is none."""
        told = self._told.get(waiting.identity)
        if told is None or waiting.at - told.at >= _SAME_WITHIN:
            return False
        key, count = waiting.rollout.key, told.count + 1
        patch = {"count": count, "lastTimestamp": format_time(_second(waiting.at))}
        try:
            await self._client.merge(EVENTS, key.namespace, told.name, patch)
        except NotFoundError:
            return False  # it expired
        self._remember(waiting, _Told(told.name, count, waiting.at))
        return True

    def _remember(self, waiting: _Waiting, told: _Told) -> None:
        self._told[waiting.identity] = told
        self._told.move_to_end(waiting.identity)
        if len(self._told) > _MOST_REMEMBERED:
            self._told.popitem(last=False)

    def _event(self, waiting: _Waiting, name: str) -> dict[str, Any]:
        key, notice = waiting.rollout.key, waiting.notice
        at = format_time(_second(waiting.at))
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": key.namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "namespace": key.namespace,
                "name": key.name,
                "uid": waiting.rollout.uid,
            },
            "type": notice.type,
            "reason": str(notice.reason),
            "message": _shortened(notice.message),
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "reportingInstance": self._instance,
        }


def _facts(rollout: Rollout, notice: Notice) -> dict[str, str]:
    return {"rollout": str(rollout.key), "reason": str(notice.reason)}


def _second(moment: datetime) -> datetime:
    """Return the second of a moment: Events know no smaller time."""
    return moment.replace(microsecond=0)


def _shortened(text: str) -> str:
    """Cut to what an Event may carry, between characters."""
    data = text.encode()
    if len(data) <= _LONGEST_MESSAGE_BYTES:
        return text
    return data[: _LONGEST_MESSAGE_BYTES - 3].decode(errors="ignore") + "…"

"""What all pods on the node have in common: states, reports, faults, back-off."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers import timestamps
from canary_operator.playground.controllers.pod_status import (
    Container,
    Ended,
    PodState,
    Waiting,
    back_off_message,
    starts_again,
)
from canary_operator.playground.controllers.runtime import Backoff, Fault, Report


class PodLife:
    """The states of one pod's containers, and what disturbs them."""

    def __init__(
        self, pod: Manifest, report: Report, fault: Fault | None, backoff: Backoff
    ) -> None:
        self.pod = pod
        self.fault = fault
        self._report = report
        self._backoff = backoff
        self._disturbed = asyncio.Event()
        names = [container["name"] for container in pod["spec"]["containers"]]
        self._state = PodState(ip="", containers=dict.fromkeys(names, Container()))

    @property
    def containers(self) -> Mapping[str, Container]:
        """Return what the containers do."""
        return self._state.containers

    def settle(self, ip: str, port: int | None = None) -> None:
        """Give the pod its address, reported with the next change."""
        self._state = replace(self._state, ip=ip, port=port)

    def set(self, name: str, **changes: Any) -> None:
        """Change one container and report it."""
        after = replace(self.containers[name], **changes)
        if after != self.containers[name]:
            self._state = replace(self._state, containers={**self.containers, name: after})
            self._report(self._state)

    def disturb(self, fault: Fault | None) -> None:
        """Let the pod suffer `fault`, or recover."""
        self.fault = fault
        self._disturbed.set()

    async def wait(self, seconds: float | None) -> None:
        """Wait, for ever with `None`, but not beyond the next change of fault."""
        self._disturbed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):  # wait_for of Python 3.11 swallows cancellations
                await self._disturbed.wait()

    async def pull_in_vain(self, name: str, image: str) -> None:
        """Report an image that no registry has, for ever."""
        message = f'failed to pull image "{image}": not found'
        self.set(name, phase=Waiting("ErrImagePull", message))
        await asyncio.sleep(self._backoff.seconds(1))
        self.set(name, phase=Waiting("ImagePullBackOff", f'Back-off pulling image "{image}"'))
        await asyncio.Event().wait()

    def is_over(self, exit_code: int) -> bool:
        """Return whether a container that ended so is not started again."""
        return not starts_again(self.pod, exit_code)

    def end(self, name: str, exit_code: int, since: datetime) -> None:
        """Report the end of a container that is not started again."""
        self.set(name, phase=Ended(exit_code, since, timestamps.now()), ready=False)

    async def back_off(self, name: str, exit_code: int, since: datetime) -> None:
        """Report the end of a container and wait for its next start; recovery does not wait."""
        before = self.containers[name]
        ended = Ended(exit_code, since, timestamps.now())
        wait = self._backoff.seconds(before.restarts)
        message = back_off_message(wait, name, self.pod)
        phase = Waiting("CrashLoopBackOff", message) if wait else ended
        self.set(name, phase=phase, ready=False, last=ended)
        if wait:
            await self.wait(wait)
        self.set(name, restarts=before.restarts + 1)

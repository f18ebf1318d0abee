"""A runtime that runs nothing: pods become ready, or do not, as their image's tag says.

Pods that are not to be restarted have done their work as soon as others would be ready.
"""

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers import images, timestamps
from canary_operator.playground.controllers.pod_life import PodLife
from canary_operator.playground.controllers.pod_status import Running
from canary_operator.playground.controllers.runtime import Backoff, Fault, Report

READY_AFTER_ANNOTATION = "playground.canary-operator.dev/ready-after"
"""Seconds until a pod becomes ready; `never` for a pod that starts and stays unready."""


@dataclass(frozen=True)
class InstantRuntime:
    """Pods that become ready after a delay; crash-looping and missing images by pattern of tag."""

    ready_after_seconds: float = 0.0
    crashing: tuple[str, ...] = images.CRASHING
    missing: tuple[str, ...] = images.MISSING
    backoff: Backoff = field(default_factory=Backoff)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def start(self, pod: Manifest, report: Report, fault: Fault | None) -> "InstantPod":
        """Start a pod with the next free address."""
        number = next(self._numbers)
        ip = f"10.244.{number // 250 % 250}.{number % 250 + 1}"
        life = PodLife(pod, report, fault, self.backoff)
        life.settle(ip)
        return InstantPod(self, life)

    def ready_after(self, pod: Manifest) -> float:
        """Return the delay of a pod, infinite for one that never becomes ready."""
        annotations = pod["metadata"].get("annotations") or {}
        text = annotations.get(READY_AFTER_ANNOTATION)
        if text is None:
            return self.ready_after_seconds
        return inf if text == "never" else float(text)


class InstantPod:
    """One pod that only pretends."""

    def __init__(self, runtime: InstantRuntime, life: PodLife) -> None:
        self._runtime = runtime
        self._life = life
        self._task = asyncio.create_task(self._run(), name=f"pod {life.pod['metadata']['name']}")

    def inject(self, fault: Fault | None) -> None:
        """Let the pod suffer `fault`, or recover."""
        self._life.disturb(fault)

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - nothing needs a grace
        """End the pod at once."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        containers = self._life.pod["spec"]["containers"]
        await asyncio.gather(*(self._contain(spec["name"], spec["image"]) for spec in containers))

    async def _contain(self, name: str, image: str) -> None:
        """Play the life of one container."""
        if images.tag_matches(image, self._runtime.missing):
            await self._life.pull_in_vain(name, image)
        is_broken = images.tag_matches(image, self._runtime.crashing)
        while True:
            since, exit_code = timestamps.now(), 1
            if self._life.is_over(0) and not is_broken:
                exit_code = await self._work(name, since)
            elif not is_broken:
                await self._serve(name, since)
            if self._life.is_over(exit_code):
                self._life.end(name, exit_code, since)
                return
            await self._life.back_off(name, exit_code, since)

    async def _work(self, name: str, since: datetime) -> int:
        """Run for as long as others need to become ready; return the exit code."""
        self._life.set(name, phase=Running(since), ready=True)
        seconds = self._runtime.ready_after(self._life.pod)
        if seconds and self._life.fault is not Fault.CRASH:
            await self._life.wait(seconds if seconds < inf else None)
        return 1 if self._life.fault is Fault.CRASH else 0

    async def _serve(self, name: str, since: datetime) -> None:
        """Run until a fault crashes the container; ready when it is time and nothing is wrong."""
        loop = asyncio.get_running_loop()
        ready_at = loop.time() + self._runtime.ready_after(self._life.pod)
        while self._life.fault is not Fault.CRASH:
            left = ready_at - loop.time()
            is_ready = left <= 0 and self._life.fault is None
            self._life.set(name, phase=Running(since), ready=is_ready)
            await self._life.wait(left if 0 < left < inf else None)

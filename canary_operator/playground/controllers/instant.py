"""A runtime that runs nothing: pods become ready, or do not, as their image's tag says."""

import asyncio
import itertools
from dataclasses import dataclass, field, replace

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers import images, timestamps
from canary_operator.playground.controllers.pod_status import (
    Container,
    Ended,
    PodState,
    Running,
    Waiting,
    back_off_message,
)
from canary_operator.playground.controllers.runtime import Backoff, Fault, Report

READY_AFTER_ANNOTATION = "playground.canary-operator.dev/ready-after"
"""Seconds until a pod becomes ready; `never` for a pod that starts and stays unready."""


@dataclass(frozen=True)
class InstantRuntime:
    """Pods that become ready after a delay; crash-looping and missing images by pattern of tag."""

    ready_after_seconds: float = 0.0
    crashing: tuple[str, ...] = images.CRASHING
    missing: tuple[str, ...] = images.MISSING
    backoff: Backoff = Backoff()
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def start(self, pod: Manifest, report: Report, fault: Fault | None) -> "InstantPod":
        """Start a pod with the next free address."""
        number = next(self._numbers)
        ip = f"10.244.{number // 250 % 250}.{number % 250 + 1}"
        return InstantPod(self, pod, ip, report, fault)

    def ready_after(self, pod: Manifest) -> float | None:
        """Return the delay of a pod, `None` for one that never becomes ready."""
        annotations = pod["metadata"].get("annotations") or {}
        text = annotations.get(READY_AFTER_ANNOTATION)
        if text is None:
            return self.ready_after_seconds
        return None if text == "never" else float(text)


class InstantPod:
    """One pod that only pretends."""

    def __init__(
        self, runtime: InstantRuntime, pod: Manifest, ip: str, report: Report, fault: Fault | None
    ) -> None:
        self._runtime = runtime
        self._pod = pod
        self._report = report
        self._fault = fault
        self._changed = asyncio.Event()
        names = [container["name"] for container in pod["spec"]["containers"]]
        self._state = PodState(ip, dict.fromkeys(names, Container()))
        self._task = asyncio.create_task(self._run(), name=f"pod {pod['metadata']['name']}")

    def inject(self, fault: Fault | None) -> None:
        """Let the pod suffer `fault`, or recover."""
        self._fault = fault
        self._changed.set()

    async def stop(self, grace_seconds: float) -> None:  # noqa: ARG002 - nothing needs a grace
        """End the pod at once."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        specs = {spec["name"]: spec for spec in self._pod["spec"]["containers"]}
        await asyncio.gather(*(self._contain(spec) for spec in specs.values()))

    async def _contain(self, spec: Manifest) -> None:
        """Play the life of one container."""
        name = spec["name"]
        if images.tag_matches(spec["image"], self._runtime.missing):
            await self._pull(name, spec["image"])
        while True:
            if images.tag_matches(spec["image"], self._runtime.crashing):
                await self._crash(name)
            elif self._fault is Fault.CRASH:
                await self._crash(name)
            else:
                await self._serve(name)

    async def _pull(self, name: str, image: str) -> None:
        """Try in vain to pull an image, for ever."""
        self._set(name, Waiting("ErrImagePull", f'failed to pull image "{image}": not found'))
        await asyncio.sleep(self._runtime.backoff.seconds(1))
        self._set(name, Waiting("ImagePullBackOff", f'Back-off pulling image "{image}"'))
        await asyncio.Event().wait()

    async def _crash(self, name: str) -> None:
        """Exit, and wait for the next start."""
        at = timestamps.now()
        before = self._state.containers[name]
        since = before.phase.since if isinstance(before.phase, Running) else at
        ended = Ended(exit_code=1, since=since, at=at)
        wait = self._runtime.backoff.seconds(before.restarts)
        message = back_off_message(wait, name, self._pod)
        phase = Waiting("CrashLoopBackOff", message) if wait else ended
        self._set(name, phase, last=ended)
        await asyncio.sleep(wait)
        self._set(name, phase, restarts=before.restarts + 1, quietly=True)

    async def _serve(self, name: str) -> None:
        """Run until a fault crashes the container, ready except while a fault says otherwise."""
        if not isinstance(self._state.containers[name].phase, Running):
            delay = self._runtime.ready_after(self._pod)
            self._set(name, Running(timestamps.now()), quietly=delay == 0)
            if delay is None:
                await asyncio.Event().wait()
            await asyncio.sleep(delay or 0)
        while self._fault is not Fault.CRASH:
            phase = self._state.containers[name].phase
            self._set(name, phase, ready=self._fault is None)
            self._changed.clear()
            await self._changed.wait()

    def _set(
        self,
        name: str,
        phase: Waiting | Running | Ended,
        *,
        ready: bool = False,
        restarts: int | None = None,
        last: Ended | None = None,
        quietly: bool = False,
    ) -> None:
        """Change one container; `quietly` where the next change follows at once."""
        before = self._state.containers[name]
        after = replace(
            before,
            phase=phase,
            ready=ready,
            restarts=before.restarts if restarts is None else restarts,
            last=last or before.last,
        )
        self._state = replace(self._state, containers={**self._state.containers, name: after})
        if not quietly:
            self._report(self._state)

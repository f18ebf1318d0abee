"""A runtime that really starts a sample server per pod."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import canary_operator
from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers import images, timestamps
from canary_operator.playground.controllers.addresses import Address, free_address
from canary_operator.playground.controllers.pod_life import PodLife
from canary_operator.playground.controllers.pod_status import HOST_IP, Running
from canary_operator.playground.controllers.probes import Probe, first_port
from canary_operator.playground.controllers.runtime import Backoff, Fault, Report

SERVER = "canary_operator.playground.sample_server"
LAST_GRACE_SECONDS = 2.0
"""What a server gets after SIGTERM although its `preStop` hook took all of the grace."""
FIRST_PROBE_SECONDS = 0.02
"""Starting servers are probed more often than their period asks, so that demos start quickly."""


@dataclass(frozen=True)
class ProcessRuntime:
    """One server process for the first container of each pod; other containers only pretend."""

    backoff: Backoff = field(default_factory=Backoff)
    missing: tuple[str, ...] = images.MISSING
    log_directory: Path | None = None
    """Where servers' complaints go, a file per pod; nowhere by default."""

    def start(self, pod: Manifest, report: Report, fault: Fault | None) -> "ProcessPod":
        """Start a pod on an address of its own."""
        port = first_port(pod["spec"]["containers"][0])
        address = free_address(port)
        life = PodLife(pod, report, fault, self.backoff)
        life.settle(address.ip, address.port if address.port != port else None)
        return ProcessPod(self, life, address)


class Lifeline:
    """A pipe on which servers notice that the playground is gone, even if it was killed.

    A pipe of our own, because asyncio's loses the exit of processes that end while it still
    connects theirs.
    """

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        self._is_open = True

    def close(self) -> None:
        """Let go; may be called again."""
        if self._is_open:
            self._is_open = False
            os.close(self.reader)
            os.close(self._writer)


class ProcessPod:
    """One pod with a server process."""

    def __init__(self, runtime: ProcessRuntime, life: PodLife, address: Address) -> None:
        self._runtime = runtime
        self._life = life
        self._address = address
        self._container: Manifest = life.pod["spec"]["containers"][0]
        self._name: str = self._container["name"]
        self._process: Process | None = None
        self._lifeline = Lifeline()
        self._passes_probe = False
        self._task = asyncio.create_task(self._run(), name=f"pod {life.pod['metadata']['name']}")

    def inject(self, fault: Fault | None) -> None:
        """Let the pod suffer `fault`, or recover."""
        self._life.disturb(fault)
        if fault is Fault.CRASH:
            self._kill()
        else:
            self._show_readiness()

    async def stop(self, grace_seconds: float) -> None:
        """Run the `preStop` hook, ask the server to end, and after the grace make it.

        Meanwhile the pod leaves the endpoints; nobody waits for that, as no kubelet does.
        """
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        process = self._process
        if process and process.returncode is None:
            try:
                await self._end_politely(process, grace_seconds)
            finally:
                self._kill()
            await process.wait()
        self._lifeline.close()

    async def _end_politely(self, process: Process, grace_seconds: float) -> None:
        if grace_seconds <= 0:
            return
        pause = min(pre_stop_seconds(self._container), grace_seconds)
        left = max(grace_seconds - pause, LAST_GRACE_SECONDS)
        await asyncio.sleep(pause)
        with suppress(TimeoutError, ProcessLookupError):
            async with asyncio.timeout(left):
                process.terminate()
                await process.wait()

    async def _run(self) -> None:
        image = self._container["image"]
        if images.tag_matches(image, self._runtime.missing):
            await self._life.pull_in_vain(self._name, image)
        for sidecar in self._life.pod["spec"]["containers"][1:]:
            self._life.set(sidecar["name"], phase=Running(timestamps.now()), ready=True)
        while True:
            since = timestamps.now()
            exit_code = 1 if self._life.fault is Fault.CRASH else await self._serve()
            if self._life.is_over(exit_code):
                self._life.end(self._name, exit_code, since)
                return
            await self._life.back_off(self._name, exit_code, since)

    async def _serve(self) -> int:
        """Run the server until it exits; return its exit code as a shell would."""
        self._passes_probe = False
        self._process = await self._spawned()
        self._life.set(self._name, phase=Running(timestamps.now()), ready=False)
        probing = asyncio.create_task(self._probe())
        try:
            code = await self._process.wait()
        finally:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
        return code if code >= 0 else 128 - code

    async def _spawned(self) -> Process:
        arguments = ["--host", self._address.ip, "--port", str(self._address.port)]
        log = self._log()
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-S",  # the server needs no installed package, and starts faster without
                *("-m", SERVER, "--exit-with-parent", *arguments),
                env=self._environment(),
                stdin=self._lifeline.reader,
                stdout=DEVNULL,
                stderr=log or DEVNULL,
                start_new_session=True,  # Ctrl-C is for the playground, which ends its pods
            )
        finally:
            if log:
                log.close()

    def _log(self) -> IO[bytes] | None:
        directory, name = self._runtime.log_directory, self._life.pod["metadata"]["name"]
        return (directory / f"{name}.log").open("ab") if directory else None

    def _environment(self) -> dict[str, str]:
        """Return the variables of the server: what the image says, then what the template says."""
        meta = self._life.pod["metadata"]
        return {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(Path(canary_operator.__file__).parents[1]),
            "HOSTNAME": meta["name"],
            **images.behaviour(self._container["image"]),
            **variables(self._container, self._life.pod, self._address.ip),
        }

    async def _probe(self) -> None:
        """Follow the readiness of the server: eagerly until it is there, then as asked."""
        probe = Probe.of(self._container, self._address)
        await asyncio.sleep(probe.initial_delay_seconds)
        wait = min(FIRST_PROBE_SECONDS, probe.period_seconds)
        while not await probe.passes():
            await asyncio.sleep(wait)
            wait = min(1.5 * wait, probe.period_seconds)
        self._passes_probe = True
        self._show_readiness()
        failures = 0
        while probe.is_repeated:
            await asyncio.sleep(probe.period_seconds)
            failures = 0 if await probe.passes() else failures + 1
            self._passes_probe = failures <= probe.failures_tolerated and (
                self._passes_probe or failures == 0
            )
            self._show_readiness()

    def _show_readiness(self) -> None:
        if isinstance(self._life.containers[self._name].phase, Running):
            self._life.set(self._name, ready=self._passes_probe and self._life.fault is None)

    def _kill(self) -> None:
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()


def pre_stop_seconds(container: Manifest) -> float:
    """Return how long the `preStop` hook of a container sleeps; no other hook is understood.

    Example:
        >>> pre_stop_seconds({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}})
        5.0
        >>> pre_stop_seconds({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "3"]}}}})
        3.0
        >>> pre_stop_seconds({})
        0.0
    """
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    match hook:
        case {"sleep": {"seconds": int(seconds)}}:
            return float(seconds)
        case {"exec": {"command": ["sleep" | "/bin/sleep", str(seconds)]}} if seconds.isdigit():
            return float(seconds)
        case _:
            return 0.0


def variables(container: Manifest, pod: Manifest, ip: str) -> dict[str, str]:
    """Return the environment variables of a container; of `valueFrom`, only fields of the pod."""
    fields: Mapping[str, str] = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"].get("namespace", ""),
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "status.podIP": ip,
        "status.hostIP": HOST_IP,
    }
    found: dict[str, str] = {}
    for variable in container.get("env") or []:
        path = (variable.get("valueFrom") or {}).get("fieldRef", {}).get("fieldPath", "")
        found[variable["name"]] = variable.get("value") or fields.get(path, "")
    return found

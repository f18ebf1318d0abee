"""Pods of the operator's image, run as they are rendered: real processes, real rights, real probes.

What the pod says is done: its command, arguments and environment, the token of its ServiceAccount
(from a TokenRequest, so that RBAC is that of the chart), its liveness and readiness probes over
HTTP before it is ready, SIGTERM and its grace period at the end, its exit code.

What differs from a container:

- The image is this checkout: its entry point `canary-operator` and its `python` are those of the
  environment that the tests run in. No engine, so no user 65532, no read-only root and no limits.
- The cluster is found by `KUBECONFIG` with the pod's token, not at `/var/run/secrets`, where a
  process without a root of its own can have nothing.
- The pod's address is one of 127.0.0.0/8, and `node/sitecustomize.py` stands for its network
  namespace and for the cluster's DNS, as of the pod's start.

Pods of other images become ready at once and do nothing.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from asyncio.subprocess import DEVNULL, Process
from dataclasses import dataclass, field
from pathlib import Path

from canary_operator.playground.client import PODS, SERVICES, Manifest
from canary_operator.playground.controllers.addresses import free_address
from canary_operator.playground.controllers.instant import InstantRuntime
from canary_operator.playground.controllers.pod_life import PodLife
from canary_operator.playground.controllers.probes import Probe, first_port
from canary_operator.playground.controllers.process import ProcessPod, ProcessRuntime, variables
from canary_operator.playground.controllers.runtime import Fault, Report, RunningPod
from tests.support.clusters import Cluster

IMAGE = "canary-operator"
DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"
PROGRAMS = Path(sys.executable).parent
NODE = Path(__file__).parent / "node"


@dataclass
class ImageRuntime:
    """Runs the pods of one cluster."""

    folder: Path
    """For the files of pods."""
    others: InstantRuntime = field(default_factory=InstantRuntime)
    cluster: Cluster | None = None
    """Set before the first pod of the image comes."""

    @property
    def log(self) -> Path:
        """What all pods wrote."""
        return self.folder / "pods.log"

    def start(self, pod: Manifest, report: Report, fault: Fault | None) -> RunningPod:
        """Start a pod."""
        image = pod["spec"]["containers"][0]["image"]
        if image.rpartition("/")[2].partition(":")[0] != IMAGE:
            return self.others.start(pod, report, fault)
        return ImagePod(self, pod, report, fault)


class ImagePod(ProcessPod):
    """One pod of the image."""

    def __init__(
        self, runtime: ImageRuntime, pod: Manifest, report: Report, fault: Fault | None
    ) -> None:
        address = free_address(first_port(pod["spec"]["containers"][0]))
        life = PodLife(pod, report, fault, ProcessRuntime().backoff)
        life.settle(address.ip)
        self._node = runtime
        self._folder = runtime.folder / pod["metadata"]["uid"]
        super().__init__(ProcessRuntime(), life, address)

    async def _spawned(self) -> Process:
        self._folder.mkdir(exist_ok=True)
        command, arguments = command_of(self._container)
        program = shutil.which(command[0], path=str(PROGRAMS))
        if program is None:
            raise FileNotFoundError(f"the image has no {command[0]!r}")
        environment = await self._environment_in_pod()
        with self._node.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *_dying_with_us(),
                program,
                *command[1:],
                *arguments,
                env=environment,
                cwd=self._folder,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _environment_in_pod(self) -> dict[str, str]:
        hosts = self._folder / "hosts.json"
        hosts.write_text(json.dumps(await self._services()))
        return {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "HOSTNAME": self._life.pod["metadata"]["name"],
            "PYTHONPATH": str(NODE),
            "POD_IP": self._address.ip,
            "POD_HOSTS": str(hosts),
            **await self._identity(),
            **variables(self._container, self._life.pod, self._address.ip),
        }

    async def _identity(self) -> dict[str, str]:
        """Return how the pod finds the cluster; nothing where it asked for no token."""
        pod, cluster = self._life.pod, self._cluster
        if pod["spec"].get("automountServiceAccountToken") is False:
            return {}
        namespace = pod["metadata"]["namespace"]
        access = await cluster.service_account(namespace, pod["spec"]["serviceAccountName"])
        return {"KUBECONFIG": str(access.write_kubeconfig(self._folder / "kubeconfig", namespace))}

    async def _services(self) -> dict[str, str]:
        """Return the names of all Services with a ready pod behind them, and where it is.

        Not from EndpointSlices: a real API server takes no loopback addresses there.
        """
        client = self._cluster.client
        pods = [pod for pod in (await client.list(PODS))["items"] if is_ready(pod)]
        return {
            f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc": (
                pod["status"]["podIP"]
            )
            for service in (await client.list(SERVICES))["items"]
            for pod in pods
            if _selects(service, pod)
        }

    async def _probe(self) -> None:
        """Ask for life first, then for readiness, as the pod says."""
        alive = self._container.get("livenessProbe")
        if alive:
            probe = Probe.of({**self._container, "readinessProbe": alive}, self._address)
            while not await probe.passes():  # noqa: ASYNC110 - the pod sends no signal
                await asyncio.sleep(0.05)
        await super()._probe()

    @property
    def _cluster(self) -> Cluster:
        if self._node.cluster is None:
            raise RuntimeError("a pod came before its cluster was known")
        return self._node.cluster


def command_of(container: Manifest) -> tuple[list[str], list[str]]:
    """Return what a container runs: its own words, and where it has none those of the image."""
    command, arguments = container.get("command"), container.get("args")
    if command:
        return command, arguments or []
    return _of_image("ENTRYPOINT"), arguments if arguments is not None else _of_image("CMD")


def _of_image(instruction: str) -> list[str]:
    last = re.findall(rf"^{instruction} (\[.*\])$", DOCKERFILE.read_text(), re.MULTILINE)[-1]
    words: list[str] = json.loads(last)
    return words


def is_ready(pod: Manifest) -> bool:
    """Return whether a pod serves."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _selects(service: Manifest, pod: Manifest) -> bool:
    selector = service["spec"].get("selector") or {}
    same_namespace = service["metadata"]["namespace"] == pod["metadata"]["namespace"]
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and same_namespace and selector.items() <= labels.items()


def _dying_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []

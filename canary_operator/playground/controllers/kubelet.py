"""A stand-in for scheduler and kubelet: one node that runs every pod.

It binds pods that wait for a node, lets a `PodRuntime` run them and writes what the real kubelet
would write. It works against the embedded API and against a real kube-apiserver.

    async with Kubelet(client, InstantRuntime()) as kubelet:
        kubelet.fail("app=web,track=canary", Fault.CRASH)
        ...
        kubelet.heal()

Unlike a real node it keeps no Lease and probes no liveness; every pod fits, whatever it requests.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from canary_operator.playground.client import (
    MERGE,
    NODES,
    PODS,
    STRATEGIC,
    AlreadyExistsError,
    Change,
    ChangeKind,
    Client,
    Manifest,
)
from canary_operator.playground.controllers import timestamps
from canary_operator.playground.controllers.cache import Cache, Key, is_terminating, key_of, uid_of
from canary_operator.playground.controllers.labels import matches, parsed
from canary_operator.playground.controllers.pod_status import FINAL, HOST_IP, PodState, pod_status
from canary_operator.playground.controllers.runtime import (
    PORT_ANNOTATION,
    Fault,
    PodRuntime,
    RunningPod,
)
from canary_operator.playground.controllers.worker import Worker

logger = logging.getLogger(__name__)

DEFAULT_GRACE_SECONDS = 30
STOP_GRACE_SECONDS = 0.0
"""What pods get when the whole playground stops: nobody is left who calls them."""


@dataclass
class _Tenant:
    """One pod on the node."""

    uid: str
    since: datetime
    running: RunningPod
    state: PodState | None = None


@dataclass(frozen=True)
class _Command:
    """What a test said about some pods."""

    selector: str
    fault: Fault | None

    def is_about(self, pod: Manifest) -> bool:
        return matches(parsed(self.selector), pod["metadata"].get("labels") or {})


class Kubelet:
    """Runs all pods of a cluster on one node."""

    def __init__(
        self,
        client: Client,
        runtime: PodRuntime,
        *,
        node: str = "playground",
        pods: Cache | None = None,
    ) -> None:
        """Prepare a node.

        Args:
            client: Whom to ask and tell.
            runtime: What really happens to pods.
            node: Name of the node.
            pods: A cache that somebody else keeps fresh; by default the kubelet keeps its own.
        """
        self._client = client
        self._runtime = runtime
        self._node = node
        self._own_cache = pods is None
        self._pods = pods or Cache(client, PODS)
        self._worker = Worker("kubelet", self._reconcile)
        self._tenants: dict[Key, _Tenant] = {}
        self._commands: list[_Command] = []
        self._watching: asyncio.Task[None] | None = None
        self._pods.subscribe(self._changed)

    async def __aenter__(self) -> Self:
        await self._register()
        self._worker.start()
        if self._own_cache:
            self._watching = asyncio.create_task(self._pods.run(), name="kubelet watch")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._worker.stop()
        tenants = list(self._tenants.values())
        await asyncio.gather(*(tenant.running.stop(STOP_GRACE_SECONDS) for tenant in tenants))

    def fail(self, selector: str, fault: Fault = Fault.UNREADY) -> None:
        """Let all pods with these labels suffer `fault`, those that come later too."""
        self._command(_Command(selector, fault))

    def heal(self, selector: str = "") -> None:
        """Let all pods with these labels recover; without a selector, all pods."""
        self._command(_Command(selector, None))

    def _command(self, command: _Command) -> None:
        self._commands.append(command)
        for key, tenant in self._tenants.items():
            if (pod := self._pods.get(key)) and command.is_about(pod):
                tenant.running.inject(command.fault)

    def _fault_for(self, pod: Manifest) -> Fault | None:
        """Return what the last command about a pod says."""
        said = (each.fault for each in reversed(self._commands) if each.is_about(pod))
        return next(said, None)

    def _changed(self, change: Change) -> None:
        if change.kind is not ChangeKind.SYNCED:
            self._worker.wake(key_of(change.object))

    async def _reconcile(self, key: Key) -> None:
        pod = self._pods.get(key)
        tenant = self._tenants.get(key)
        if tenant and (pod is None or uid_of(pod) != tenant.uid):
            await self._evict(key, 0.0)  # deleted without us: nothing is left to be graceful for
            tenant = None
        if pod is None or not self._is_ours(pod):
            return
        if is_terminating(pod):
            await self._terminate(key, pod)
        elif tenant is None and not _has_ended(pod):
            await self._admit(key, pod)
        elif tenant and tenant.state:
            await self._report(pod, tenant, tenant.state)

    def _is_ours(self, pod: Manifest) -> bool:
        gated = pod["spec"].get("schedulingGates")
        unbound = not pod["spec"].get("nodeName") and not is_terminating(pod)
        return (unbound and not gated and not _has_ended(pod)) or pod["spec"].get(
            "nodeName"
        ) == self._node

    async def _admit(self, key: Key, pod: Manifest) -> None:
        """Bind a pod to the node and start it."""
        if not pod["spec"].get("nodeName"):
            await self._bind(pod)

        def report(state: PodState) -> None:
            tenant.state = state
            self._worker.wake(key)

        running = self._runtime.start(pod, report, self._fault_for(pod))
        started = pod.get("status", {}).get("startTime")  # by a kubelet before this one
        since = timestamps.read(started) if started else timestamps.now()
        tenant = _Tenant(uid_of(pod), since, running)
        self._tenants[key] = tenant

    async def _bind(self, pod: Manifest) -> None:
        namespace, name = key_of(pod)
        target = {"apiVersion": "v1", "kind": "Node", "name": self._node}
        meta = {"name": name, "namespace": namespace, "uid": uid_of(pod)}
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": target}
        await self._client.create(PODS, body, namespace, name=name, subresource="binding")

    async def _report(self, pod: Manifest, tenant: _Tenant, state: PodState) -> None:
        """Write the status of a pod where it differs from what the API server has."""
        status = pod_status(pod, state, tenant.since, timestamps.now())
        if _is_known(pod, status):
            return
        namespace, name = key_of(pod)
        if state.port and PORT_ANNOTATION not in (pod["metadata"].get("annotations") or {}):
            published = {"metadata": {"annotations": {PORT_ANNOTATION: str(state.port)}}}
            await self._client.patch(PODS, name, published, namespace)
        body = {"metadata": {"uid": tenant.uid}, "status": status}
        answer = await self._client.patch(
            PODS, name, body, namespace, ctype=STRATEGIC, subresource="status"
        )
        self._pods.remember(answer)

    async def _terminate(self, key: Key, pod: Manifest) -> None:
        """Stop a pod that was asked to go, and remove its object."""
        grace = pod["metadata"].get("deletionGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
        await self._evict(key, float(grace))
        await self._pods.delete(pod, grace_seconds=0)

    async def _evict(self, key: Key, grace_seconds: float) -> None:
        if tenant := self._tenants.get(key):
            await tenant.running.stop(grace_seconds)
            self._tenants.pop(key, None)

    async def _register(self) -> None:
        """Make the node, or take it over."""
        labels = {"kubernetes.io/hostname": self._node, "kubernetes.io/os": "linux"}
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._node, "labels": labels},
        }
        try:
            await self._client.create(NODES, body)
        except AlreadyExistsError:
            logger.debug("Node taken over: name=%s", self._node)
        await self._client.patch(NODES, self._node, {"spec": {"taints": None}}, ctype=MERGE)
        await self._client.patch(
            NODES, self._node, {"status": _node_status()}, ctype=MERGE, subresource="status"
        )


def _node_status() -> Manifest:
    at = timestamps.written(timestamps.now())
    room = {"cpu": "64", "memory": "256Gi", "pods": "1000"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "capacity": room,
        "allocatable": room,
        "addresses": [{"type": "InternalIP", "address": HOST_IP}],
        "conditions": [{**ready, "lastHeartbeatTime": at, "lastTransitionTime": at}],
    }


def _has_ended(pod: Manifest) -> bool:
    return pod.get("status", {}).get("phase") in FINAL


def _is_known(pod: Manifest, status: Manifest) -> bool:
    """Return whether a write of `status` would change nothing."""
    known = pod.get("status", {})
    said = {each["type"]: each for each in known.get("conditions") or []}
    same_conditions = all(
        all(said.get(new["type"], {}).get(key) == value for key, value in new.items())
        for new in status["conditions"]
    )
    rest = {key: value for key, value in status.items() if key != "conditions"}
    return same_conditions and all(known.get(key) == value for key, value in rest.items())

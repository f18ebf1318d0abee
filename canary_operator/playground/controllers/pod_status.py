"""What a kubelet says about a pod: from the state of its containers to `status`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.timestamps import written

HOST_IP = "127.0.0.1"


@dataclass(frozen=True)
class Waiting:
    """A container that is not running and may yet be."""

    reason: str = "ContainerCreating"
    message: str = ""


@dataclass(frozen=True)
class Running:
    """A container that runs."""

    since: datetime


@dataclass(frozen=True)
class Ended:
    """A container that ran and stopped."""

    exit_code: int
    since: datetime
    at: datetime

    @property
    def reason(self) -> str:
        """Return what the real kubelet calls it."""
        return "Completed" if self.exit_code == 0 else "Error"


FINAL: Mapping[str, str] = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}
"""Phases that a pod does not leave, and why it is not ready then."""

Phase: TypeAlias = Waiting | Running | Ended


@dataclass(frozen=True)
class Container:
    """What happens to one container."""

    phase: Phase = field(default_factory=Waiting)
    ready: bool = False
    restarts: int = 0
    last: Ended | None = None
    """How the previous run ended."""


@dataclass(frozen=True)
class PodState:
    """What a runtime reports about a pod."""

    ip: str
    containers: Mapping[str, Container]
    port: int | None = None
    """Where the pod really listens, if not on its container port."""

    @property
    def is_ready(self) -> bool:
        """Return whether every container is ready."""
        return all(container.ready for container in self.containers.values())


def back_off_message(seconds: float, container: str, pod: Manifest) -> str:
    """Return the kubelet's sentence for a container that waits for its next start."""
    meta = pod["metadata"]
    full = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
    return f"back-off {seconds:g}s restarting failed container={container} pod={full}"


def pod_status(pod: Manifest, state: PodState, started: datetime, at: datetime) -> Manifest:
    """Return the part of a pod's status that a kubelet owns.

    Args:
        pod: The pod as last seen; transition times of unchanged conditions are taken from it.
        state: What its containers do.
        started: When the kubelet took it on.
        at: The present time.
    """
    phase = _phase(pod, state)
    not_ready = [name for name, each in state.containers.items() if not each.ready]
    address = {"podIP": state.ip, "podIPs": [{"ip": state.ip}]} if state.ip else {}
    return {
        "phase": phase,
        "startTime": written(started),
        "hostIP": HOST_IP,
        "hostIPs": [{"ip": HOST_IP}],
        **address,
        "qosClass": pod.get("status", {}).get("qosClass", "BestEffort"),
        "conditions": conditions(pod, not_ready, phase, at),
        "containerStatuses": [
            _container_status(spec, state.containers[spec["name"]])
            for spec in pod["spec"]["containers"]
        ],
    }


def conditions(pod: Manifest, not_ready: Sequence[str], phase: str, at: datetime) -> list[Manifest]:
    """Return the conditions of a bound pod; a transition time moves only with the status."""
    unready = {
        "reason": "ContainersNotReady",
        "message": f"containers with unready status: [{' '.join(not_ready)}]",
    }
    if phase in FINAL:
        unready = {"reason": FINAL[phase]}
    ready = {"status": "True"} if not not_ready else {"status": "False", **unready}
    wanted: dict[str, dict[str, str]] = {
        "PodReadyToStartContainers": {"status": "True"},
        "Initialized": {"status": "True"},
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": {"status": "True"},
    }
    before = {each["type"]: each for each in pod.get("status", {}).get("conditions") or []}
    return [
        {
            "type": kind,
            "reason": None,  # removed by the patch where nothing below says otherwise
            "message": None,
            **said,
            "lastProbeTime": None,
            "lastTransitionTime": _transition(before.get(kind), said["status"], at),
        }
        for kind, said in wanted.items()
    ]


def _transition(before: Manifest | None, status: str, at: datetime) -> str:
    if before and before["status"] == status and before.get("lastTransitionTime"):
        return str(before["lastTransitionTime"])
    return written(at)


def starts_again(pod: Manifest, exit_code: int) -> bool:
    """Return whether a container of this pod that ended so is started again.

    Example:
        >>> [starts_again({"spec": {"restartPolicy": "OnFailure"}}, code) for code in (0, 1)]
        [False, True]
    """
    policy = pod["spec"].get("restartPolicy", "Always")
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _phase(pod: Manifest, state: PodState) -> str:
    """Return Pending until every container has run once; a crash loop counts as Running."""
    ends = [each.phase for each in state.containers.values() if isinstance(each.phase, Ended)]
    over = [end for end in ends if not starts_again(pod, end.exit_code)]
    if len(over) == len(state.containers):
        return "Failed" if any(end.exit_code for end in over) else "Succeeded"
    has_run = (
        not isinstance(each.phase, Waiting) or each.last is not None
        for each in state.containers.values()
    )
    return "Running" if all(has_run) else "Pending"


def _container_status(spec: Manifest, container: Container) -> Manifest:
    running = isinstance(container.phase, Running)
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": f"playground://{spec['image']}" if running or container.last else "",
        "ready": container.ready,
        "started": running,
        "restartCount": container.restarts,
        "state": _phase_status(container.phase),
        "lastState": _phase_status(container.last) if container.last else {},
    }


def _phase_status(phase: Phase) -> dict[str, Any]:
    match phase:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(since):
            return {"running": {"startedAt": written(since)}}
        case Ended():
            times = {"startedAt": written(phase.since), "finishedAt": written(phase.at)}
            ended = {"exitCode": phase.exit_code, "reason": phase.reason, **times}
            return {"terminated": ended}

"""What keeps a pod from being available, in words that stay the same while the trouble does.

The words end up in `status.message`, so a restart more, or a container that just crashed again,
must not change them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from canary_operator.domain.foreign_text import one_line

_LONGEST_DETAIL = 200

_STARTING = frozenset({"ContainerCreating", "PodInitializing"})
_SAME = {"ErrImagePull": "ImagePullBackOff"}
"""Two states that a container alternates between; people know the second one."""
_CRASH = "CrashLoopBackOff"

_COUNT = re.compile(r"^\d+ (?=\D)")
_RANDOM_POD = re.compile(r'pods "[^"]*" is forbidden')


def pod_trouble(pod: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a pod, or None when it is well or just starting.

    Example:
        >>> state = {"waiting": {"reason": "ErrImagePull"}}
        >>> pod_trouble({
        ...     "metadata": {"name": "web-canary-1"},
        ...     "status": {"containerStatuses": [{"name": "a", "image": "b:1", "state": state}]},
        ... })
        'pod web-canary-1: ImagePullBackOff, image b:1'
    """
    meta, status = pod["metadata"], pod.get("status") or {}
    if meta.get("deletionTimestamp"):
        return None
    words = _of_pod(status) or next(_of_containers(status), None)
    return f"pod {meta['name']}: {words}" if words else None


def _of_pod(status: Mapping[str, Any]) -> str | None:
    if status.get("phase") == "Failed":
        return _sentence(status.get("reason") or "Failed", status.get("message"))
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "Unschedulable":
            return _unschedulable(condition.get("message") or "")
    return None


def _unschedulable(message: str) -> str:
    """Keep the reasons of `0/3 nodes are available: 2 Insufficient cpu, 1 …`, not the counts."""
    reasons = message.partition(": ")[2].partition(". ")[0].rstrip(".")
    kinds = sorted({_COUNT.sub("", part.strip()) for part in reasons.split(",")} - {""})
    return _sentence("Unschedulable", ", ".join(kinds))


def _of_containers(status: Mapping[str, Any]) -> Iterator[str]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            words = None if container.get("ready") else _of_container(container)
            if words:
                yield words


def _of_container(container: Mapping[str, Any]) -> str | None:
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    waiting = state.get("waiting") or {}
    reason = _SAME.get(waiting.get("reason", ""), waiting.get("reason"))
    if ended.get("exitCode") or reason == _CRASH:
        return _crash(ended)
    if reason is None or reason in _STARTING:
        return None
    if reason == "ImagePullBackOff":
        return f"{reason}, image {container.get('image')}"
    return _sentence(reason, waiting.get("message"))


def _crash(ended: Mapping[str, Any]) -> str:
    if not ended:
        return _CRASH
    return f"{_CRASH}, exit code {ended.get('exitCode')}: {ended.get('reason') or 'Error'}"


def _sentence(reason: str, detail: str | None) -> str:
    return f"{reason}: {one_line(detail, _LONGEST_DETAIL)}" if detail else reason


def deployment_trouble(status: Mapping[str, Any]) -> str | None:
    """Return why a Deployment cannot make pods at all, for example a quota that is used up."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            message = _RANDOM_POD.sub("pods are forbidden", condition.get("message") or "")
            return _sentence(condition.get("reason") or "ReplicaFailure", message)
    return None

"""What is said of a pod: as kubectl says it, so that nobody has to look twice."""

from typing import Any

import pytest

from canary_operator.plugin.family import Pod, family_of
from canary_operator.plugin.screens.tree import tree
from tests.plugin import sights
from tests.plugin.sights import NOW, sight
from tests.support.paper import drawn, sheet

RUNNING: dict[str, Any] = {"running": {}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(code: int = 0, **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **more}}


def status(name: str, state: Any, restarts: int = 0, **more: Any) -> dict[str, Any]:
    found = {"name": name, "restartCount": restarts, "state": state, **more}
    return {"ready": state == RUNNING, **found}


def pod_of(
    *main: Any, first: tuple[Any, ...] = (), sidecars: tuple[str, ...] = (), **more: Any
) -> Pod:
    """Return what is seen of a pod with these statuses of containers and init containers."""
    ready = bool(main) and all(isinstance(one, dict) and one.get("ready") for one in main)
    found = sights.pod("canary-5b9c", "one", ready=ready)
    found["status"] |= {"containerStatuses": [*main], "initContainerStatuses": [*first], **more}
    names = [one["name"] for one in first]
    found["spec"] = {
        "containers": [{"name": "app"}, {"name": "log"}][: max(1, len(main))],
        "initContainers": [
            {"name": name, **({"restartPolicy": "Always"} if name in sidecars else {})}
            for name in names
        ],
    }
    sets = [sights.replica_set("canary", "v2", "5b9c", 1, 0)]
    family = family_of([sights.deployment("canary", "v2", 1, 0)], sets, [found])
    (pod,) = family.tracks[0].replica_sets[0].pods
    return pod


WAITS = status("app", waiting("PodInitializing"))
APP, LOG = status("app", RUNNING), status("log", RUNNING)
CASES: dict[str, tuple[Pod, tuple[str, int, int, int]]] = {
    "all is well": (pod_of(APP, LOG), ("Running", 0, 2, 2)),
    "one of two is not ready": (
        pod_of(APP, status("log", RUNNING, ready=False)),
        ("Running", 0, 1, 2),
    ),
    "an init container crashes": (
        pod_of(WAITS, first=(status("migrate", waiting("CrashLoopBackOff"), 3),)),
        ("Init:CrashLoopBackOff", 3, 0, 1),
    ),
    "an init container failed": (
        pod_of(WAITS, first=(status("migrate", ended(2, reason="Error")),)),
        ("Init:Error", 0, 0, 1),
    ),
    "an init container failed without a reason": (
        pod_of(WAITS, first=(status("migrate", ended(2)),)),
        ("Init:ExitCode:2", 0, 0, 1),
    ),
    "an init container was killed": (
        pod_of(WAITS, first=(status("migrate", ended(137, signal=9)),)),
        ("Init:Signal:9", 0, 0, 1),
    ),
    "the second of two init containers runs": (
        pod_of(WAITS, first=(status("a", ended()), status("b", RUNNING))),
        ("Init:1/2", 0, 0, 1),
    ),
    "the first of two init containers is about to run": (
        pod_of(WAITS, first=(WAITS, status("b", waiting("PodInitializing")))),
        ("Init:0/2", 0, 0, 1),
    ),
    "init containers are over": (
        pod_of(APP, first=(status("a", ended(), 1),)),
        ("Running", 1, 1, 1),
    ),
    "a sidecar runs": (
        pod_of(APP, first=(status("mesh", RUNNING, started=True),), sidecars=("mesh",)),
        ("Running", 0, 2, 2),
    ),
    "a sidecar has not started": (
        pod_of(WAITS, first=(status("mesh", RUNNING, ready=False),), sidecars=("mesh",)),
        ("Init:0/1", 0, 0, 2),
    ),
    "a sidecar crashes later": (
        pod_of(
            APP,
            first=(status("mesh", waiting("CrashLoopBackOff"), 5),),
            sidecars=("mesh",),
            conditions=[{"type": "Initialized", "status": "True"}],
        ),
        ("CrashLoopBackOff", 5, 1, 2),
    ),
    "a waiting one is said before one that ended": (
        pod_of(
            status("app", ended(1, reason="Error"), 1), status("log", waiting("ImagePullBackOff"))
        ),
        ("ImagePullBackOff", 1, 0, 2),
    ),
    "out of memory": (
        pod_of(status("app", ended(137, reason="OOMKilled"), 2)),
        ("OOMKilled", 2, 0, 1),
    ),
    "one is over and the other runs": (
        pod_of(status("app", ended(0, reason="Completed")), LOG),
        ("NotReady", 0, 1, 2),
    ),
    "evicted": (pod_of(phase="Failed", reason="Evicted"), ("Evicted", 0, 0, 1)),
    "nothing is known": (pod_of("x", None, phase=None), ("Unknown", 0, 0, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_pod(case: str) -> None:
    pod, expected = CASES[case]
    assert (pod.state, pod.restarts, pod.ready_containers, pod.containers) == expected


def test_why_an_init_container_does_not_run() -> None:
    pod = pod_of(WAITS, first=(status("a", waiting("ImagePullBackOff", "no such image")),))
    assert pod.trouble == "no such image"


def test_containers_that_are_not_ready_are_counted() -> None:
    found = sights.pod("canary-5b9c", "half", ready=False)
    found["status"]["containerStatuses"] = [APP, status("log", RUNNING, ready=False)]
    sets = [sights.replica_set("canary", "v2", "5b9c", 1, 0)]
    family = family_of([sights.deployment("canary", "v2", 1, 0)], sets, [found])
    on = sheet(140)
    assert "Running 1/2" in drawn(on, tree(sight(), family, NOW, on))

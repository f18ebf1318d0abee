"""What keeps a pod from being available, in words."""

from typing import Any

import pytest

from canary_operator.adapters.cluster.trouble import deployment_trouble, pod_trouble

EXIT_1 = {"terminated": {"exitCode": 1, "reason": "Error"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}}
CRASH = "pod p: CrashLoopBackOff, exit code 1: Error"


def pod(*containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    states = [{"name": "app", "image": "web:v1", **each} for each in containers]
    return {"metadata": {"name": "p"}, "status": {"containerStatuses": states, **status}}


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(pod(), None, id="not started"),
        pytest.param(pod({"ready": True, "lastState": EXIT_1}), None, id="well again"),
        pytest.param(pod({"state": {"running": {}}}), None, id="not ready yet"),
        pytest.param(
            pod({"state": {"waiting": {"reason": "ContainerCreating"}}}), None, id="making"
        ),
        pytest.param(pod({"state": EXIT_1}), CRASH, id="first crash"),
        pytest.param(pod({"state": BACK_OFF, "lastState": EXIT_1}), CRASH, id="between crashes"),
        pytest.param(pod({"state": {"running": {}}, "lastState": EXIT_1}), CRASH, id="restarted"),
        pytest.param(pod({"state": BACK_OFF}), "pod p: CrashLoopBackOff", id="nobody knows why"),
        pytest.param(
            pod({"state": BACK_OFF, "restartCount": 7, "lastState": EXIT_1}), CRASH, id="7 restarts"
        ),
        pytest.param(
            pod({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
            "pod p: CrashLoopBackOff, exit code 137: OOMKilled",
            id="out of memory",
        ),
        pytest.param(
            pod({"ready": True}, {"state": {"waiting": {"reason": "ErrImagePull"}}}),
            "pod p: ImagePullBackOff, image web:v1",
            id="image, just tried",
        ),
        pytest.param(
            pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}}}),
            "pod p: ImagePullBackOff, image web:v1",
            id="image, waiting",
        ),
        pytest.param(
            pod({"state": {"waiting": {"reason": "InvalidImageName"}}}),
            "pod p: InvalidImageName",
            id="a reason without words",
        ),
        pytest.param(
            pod(initContainerStatuses=[{"name": "init", "state": EXIT_1}]),
            CRASH,
            id="an init container",
        ),
        pytest.param(
            pod(phase="Failed", reason="Evicted", message="low on memory"),
            "pod p: Evicted: low on memory",
            id="evicted",
        ),
        pytest.param(
            pod(
                conditions=[
                    {
                        "type": "PodScheduled",
                        "reason": "Unschedulable",
                        "message": "0/5 nodes are available: 3 Insufficient memory, "
                        "2 Insufficient cpu. preemption: 0/5 nodes are available.",
                    }
                ]
            ),
            "pod p: Unschedulable: Insufficient cpu, Insufficient memory",
            id="no room, without counts",
        ),
    ],
)
def test_trouble_of_a_pod(state: dict[str, Any], expected: str | None) -> None:
    assert pod_trouble(state) == expected


def test_a_pod_that_goes_has_no_trouble() -> None:
    going = pod({"state": EXIT_1})
    going["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert pod_trouble(going) is None


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(None, id="none"),
        pytest.param([{"type": "Available", "status": "True"}], id="others"),
        pytest.param([{"type": "ReplicaFailure", "status": "False"}], id="over"),
    ],
)
def test_a_deployment_without_trouble(conditions: Any) -> None:
    assert deployment_trouble({"conditions": conditions}) is None

"""What Deployments and ReplicaSets say about themselves, and which pods are given up first."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.deployment import limits_of
from canary_operator.playground.controllers.deployment_status import (
    condition_of,
    counts,
    seconds_to_deadline,
    with_pause,
    with_progress,
)
from canary_operator.playground.controllers.replica_set_status import (
    next_available,
    replica_set_status,
    surplus,
)
from canary_operator.playground.controllers.revisions import (
    DESIRED,
    HASH_LABEL,
    REVISION,
    Revisions,
    beyond_history,
    new_replica_set,
    next_revision,
    sorted_out,
)
from canary_operator.playground.controllers.timestamps import written

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "app", "image": "app:v1"}]},
}


def deployment(status: Manifest | None = None, **spec: Any) -> Manifest:
    return {
        "metadata": {"name": "web", "namespace": "demo", "uid": "d", "generation": 3},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "web"}},
            "template": TEMPLATE,
            **spec,
        },
        "status": status or {},
    }


def replica_set(name: str = "web-new", wanted: int = 4, **status: Any) -> Manifest:
    return {
        "metadata": {"name": name, "namespace": "demo", "uid": name, "generation": 1},
        "spec": {"replicas": wanted, "template": TEMPLATE},
        "status": {"observedGeneration": 1, **status},
    }


def full(count: int) -> Manifest:
    return {"replicas": count, "readyReplicas": count, "availableReplicas": count}


def progressing(reason: str, status: str = "True", age_seconds: int = 0) -> Manifest:
    at = written(NOW - timedelta(seconds=age_seconds))
    times = {"lastUpdateTime": at, "lastTransitionTime": at}
    return {"type": "Progressing", "status": status, "reason": reason, "message": "", **times}


def concluded(item: Manifest, revisions: Revisions) -> Manifest:
    fresh = counts(item, revisions, limits_of(item), NOW)
    return with_progress(item, revisions, fresh, NOW)


@pytest.mark.parametrize(
    ("before", "new", "olds", "spec", "expected"),
    [
        pytest.param(
            progressing("ReplicaSetUpdated"),
            replica_set(**full(4)),
            [],
            {},
            ("True", "NewReplicaSetAvailable"),
            id="complete",
        ),
        pytest.param(
            progressing("NewReplicaSetCreated"),
            replica_set(wanted=1, replicas=1),
            [replica_set("old", **full(4))],
            {},
            ("True", "ReplicaSetUpdated"),
            id="a new pod is progress",
        ),
        pytest.param(
            progressing("ReplicaSetUpdated", age_seconds=601),
            replica_set(wanted=0),
            [],
            {},
            ("False", "ProgressDeadlineExceeded"),
            id="too long without progress",
        ),
        pytest.param(
            progressing("ReplicaSetUpdated", age_seconds=599),
            replica_set(wanted=0),
            [],
            {},
            ("True", "ReplicaSetUpdated"),
            id="not yet too long",
        ),
        pytest.param(
            progressing("NewReplicaSetAvailable", age_seconds=9999),
            replica_set(wanted=4, replicas=4),
            [],
            {},
            ("True", "NewReplicaSetAvailable"),
            id="pods lost after completion start no deadline",
        ),
        pytest.param(
            progressing("ReplicaSetUpdated", age_seconds=9999),
            replica_set(wanted=0),
            [],
            {"progressDeadlineSeconds": 2**31 - 1},
            None,
            id="no deadline, no condition",
        ),
    ],
)
def test_progressing(
    before: Manifest,
    new: Manifest,
    olds: list[Manifest],
    spec: dict[str, Any],
    expected: tuple[str, str] | None,
) -> None:
    item = deployment({"conditions": [before]}, **spec)
    status = concluded(item, Revisions(new, olds))
    found = condition_of(status["conditions"], "Progressing")
    assert (found and (found["status"], found["reason"])) == expected


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        pytest.param(4, ("True", "MinimumReplicasAvailable"), id="all"),
        pytest.param(3, ("True", "MinimumReplicasAvailable"), id="one may be missing"),
        pytest.param(2, ("False", "MinimumReplicasUnavailable"), id="two may not"),
    ],
)
def test_available(available: int, expected: tuple[str, str]) -> None:
    new = replica_set(replicas=4, readyReplicas=4, availableReplicas=available)
    status = concluded(deployment(), Revisions(new, []))
    found = condition_of(status["conditions"], "Available")
    assert found
    assert (found["status"], found["reason"]) == expected


def test_the_counts_of_an_update_under_way() -> None:
    new = replica_set(wanted=2, replicas=2, readyReplicas=1)
    olds = [replica_set("old", wanted=3, terminatingReplicas=1, **full(3))]
    status = concluded(deployment(), Revisions(new, olds))
    del status["conditions"]
    assert status == {
        "observedGeneration": 3,
        "replicas": 5,
        "updatedReplicas": 2,
        "readyReplicas": 4,
        "availableReplicas": 3,
        "unavailableReplicas": 2,
        "terminatingReplicas": 1,
    }


def test_an_unchanged_condition_keeps_its_times() -> None:
    before = progressing("NewReplicaSetAvailable", age_seconds=100)
    status = concluded(deployment({"conditions": [before]}), Revisions(replica_set(**full(4)), []))
    assert condition_of(status["conditions"], "Progressing") == before


def test_a_pause_hides_the_deadline_and_a_resume_starts_it_anew() -> None:
    late = progressing("ReplicaSetUpdated", age_seconds=9999)
    paused = with_pause(deployment({"conditions": [late]}, paused=True), NOW)
    assert seconds_to_deadline(deployment(), paused["conditions"], NOW) is None
    resumed = with_pause(deployment(paused), NOW)
    assert seconds_to_deadline(deployment(), resumed["conditions"], NOW) == 600


def test_the_reason_why_pods_cannot_be_made_reaches_the_deployment() -> None:
    failed = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "no"}
    status = concluded(deployment(), Revisions(replica_set(conditions=[failed]), []))
    found = condition_of(status["conditions"], "ReplicaFailure")
    assert found
    assert found["message"] == "no"


def test_the_first_replica_set_of_a_deployment() -> None:
    item = deployment()
    item["metadata"]["annotations"] = {"team": "a", REVISION: "7"}
    made = new_replica_set(item, limits_of(item), size=4, revision=1)
    suffix = made["metadata"]["labels"][HASH_LABEL]
    assert made["metadata"]["name"] == f"web-{suffix}"
    assert made["metadata"]["annotations"]["team"] == "a"
    assert made["metadata"]["annotations"][REVISION] == "1"
    assert made["metadata"]["annotations"][DESIRED] == "4"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", HASH_LABEL: suffix}
    assert made["spec"]["template"]["metadata"]["labels"] == {"app": "web", HASH_LABEL: suffix}
    assert sorted_out(item, [made]).new is made


def test_a_template_that_was_there_before_finds_its_replica_set_again() -> None:
    first = new_replica_set(deployment(), limits_of(deployment()), size=4, revision=1)
    changed = deployment(template={**TEMPLATE, "spec": {"containers": [{"image": "app:v2"}]}})
    second = new_replica_set(changed, limits_of(changed), size=4, revision=2)
    revisions = sorted_out(deployment(), [first, second])
    assert revisions.new is first
    assert next_revision(revisions) == 3


def test_history_keeps_the_latest_and_whatever_still_has_pods() -> None:
    olds = [replica_set(f"old-{number}", wanted=number == 1) for number in range(4)]
    for number, each in enumerate(olds):
        each["metadata"]["annotations"] = {REVISION: str(number)}
    item = deployment(revisionHistoryLimit=1)
    names = [each["metadata"]["name"] for each in beyond_history(item, Revisions(None, olds))]
    assert names == ["old-0", "old-2"]


def pod(name: str = "p", ready_for_seconds: int | None = None, **changes: Any) -> Manifest:
    conditions = []
    if ready_for_seconds is not None:
        since = written(NOW - timedelta(seconds=ready_for_seconds))
        conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": since}]
    item: Manifest = {
        "metadata": {"name": name, "labels": {"app": "web"}, "creationTimestamp": written(NOW)},
        "spec": {"nodeName": "node"},
        "status": {"phase": "Running", "conditions": conditions},
    }
    for path, value in changes.items():
        part, field = path.split("_")
        item[part][field] = value
    return item


@pytest.mark.parametrize(
    ("first_to_go", "stays"),
    [
        pytest.param(pod(), pod(ready_for_seconds=1), id="unready before ready"),
        pytest.param(pod(status_phase="Pending"), pod(), id="pending before running"),
        pytest.param(pod(spec_nodeName=""), pod(), id="unbound before bound"),
        pytest.param(
            pod(ready_for_seconds=5), pod(ready_for_seconds=50), id="newly ready before long ready"
        ),
        pytest.param(
            pod(metadata_creationTimestamp=written(NOW)),
            pod(metadata_creationTimestamp=written(NOW - timedelta(days=1))),
            id="young before old",
        ),
        pytest.param(
            pod(status_containerStatuses=[{"restartCount": 3}]),
            pod(status_containerStatuses=[{"restartCount": 1}]),
            id="often restarted before seldom",
        ),
        pytest.param(
            pod(
                ready_for_seconds=9,
                metadata_annotations={"controller.kubernetes.io/pod-deletion-cost": "-1"},
            ),
            pod(ready_for_seconds=1),
            id="cheap before dear",
        ),
    ],
)
def test_which_pod_is_given_up(first_to_go: Manifest, stays: Manifest) -> None:
    going, staying = deepcopy(first_to_go), deepcopy(stays)
    assert surplus(replica_set(wanted=1), [staying, going]) == [going]
    assert surplus(replica_set(wanted=1), [going, staying]) == [going]


def test_a_replica_set_counts_its_pods() -> None:
    leaving = pod(ready_for_seconds=50, metadata_deletionTimestamp=written(NOW))
    pods = [pod(), pod(ready_for_seconds=5), pod(ready_for_seconds=50), leaving]
    item = replica_set()
    item["spec"]["minReadySeconds"] = 20
    assert replica_set_status(item, pods, None, NOW) == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 1,
    }
    assert next_available(item, pods[:3], NOW) == 15


def test_a_failure_keeps_its_time_while_it_lasts() -> None:
    item = replica_set(wanted=1)
    item["status"] = replica_set_status(item, [], "quota", NOW)
    later = replica_set_status(item, [], "quota", NOW + timedelta(minutes=1))
    assert later["conditions"] == item["status"]["conditions"]
    assert "conditions" not in replica_set_status(item, [], None, NOW)

"""What the caches remember, and whom they wake."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from canary_operator.adapters.cluster.cache import Caches, ObjectCache
from canary_operator.adapters.cluster.seen import SeenDeployment, see_deployment
from canary_operator.adapters.cluster.workloads import ClusterWorkloads
from canary_operator.domain.situation import TrackState
from canary_operator.ports import Key, Rollout

WEB = Key("demo", "web")


def body(version: int, *, uid: str = "u1", available: int = 0, **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "demo",
            "name": "web-stable",
            "uid": uid,
            "resourceVersion": str(version),
            "generation": 2,
            "labels": {"canary-operator.dev/rollout": "web"},
            "ownerReferences": [
                {"kind": "CanaryRollout", "name": "web", "uid": "owner", "controller": True}
            ],
            **meta,
        },
        "spec": {"replicas": 3},
        "status": {"availableReplicas": available, "observedGeneration": 2},
    }


@pytest.fixture
def cache() -> ObjectCache[SeenDeployment]:
    return ObjectCache[SeenDeployment](see_deployment)


def available(cache: ObjectCache[SeenDeployment]) -> int | None:
    held = cache.get("demo", "web-stable")
    return held.content.available if held else None


def test_a_change_wakes_its_rollout(cache: ObjectCache[SeenDeployment]) -> None:
    assert cache.saw(None, body(1)) == WEB
    assert cache.saw("MODIFIED", body(2, available=1)) == WEB
    assert available(cache) == 1


def test_two_handlers_of_one_event_agree(cache: ObjectCache[SeenDeployment]) -> None:
    assert cache.saw(None, body(1)) == WEB
    assert cache.saw("ADDED", body(1)) == WEB


def test_a_change_of_nothing_that_matters_wakes_nobody(
    cache: ObjectCache[SeenDeployment],
) -> None:
    cache.saw("ADDED", body(1))
    assert cache.saw("MODIFIED", body(2, managedFields=[{}])) is None
    assert cache.saw("MODIFIED", body(2, managedFields=[{}])) is None
    assert cache.saw("MODIFIED", body(3, available=1)) == WEB


def test_an_old_event_changes_nothing(cache: ObjectCache[SeenDeployment]) -> None:
    cache.saw("MODIFIED", body(5, available=2))
    assert cache.saw("MODIFIED", body(4, available=1)) is None
    assert available(cache) == 2


def test_an_answer_counts_at_once_and_its_echo_wakes(cache: ObjectCache[SeenDeployment]) -> None:
    cache.saw("ADDED", body(1))
    assert cache.learned(body(3, available=3)).content.available == 3
    assert cache.saw("MODIFIED", body(2, available=1)) is None
    assert available(cache) == 3
    assert cache.saw("MODIFIED", body(3, available=3)) == WEB


def test_the_echo_of_what_was_looked_at_wakes_nobody(cache: ObjectCache[SeenDeployment]) -> None:
    cache.learned(body(3, available=3))
    taken = cache.take("demo", "web-stable")
    assert taken is not None
    assert taken.version == 3
    assert cache.saw("MODIFIED", body(3, available=3)) is None
    assert cache.saw("MODIFIED", body(4, available=4)) == WEB


def test_an_answer_that_the_watch_has_overtaken(cache: ObjectCache[SeenDeployment]) -> None:
    cache.saw("MODIFIED", body(5, available=2))
    assert cache.learned(body(4)).content.available == 2


def test_what_is_deleted_stays_deleted(cache: ObjectCache[SeenDeployment]) -> None:
    cache.saw("ADDED", body(1))
    assert cache.saw("DELETED", body(4)) == WEB
    assert available(cache) is None
    assert cache.saw("MODIFIED", body(3)) is None
    assert available(cache) is None
    assert cache.of(WEB) == []


def test_an_object_that_comes_back_into_view(cache: ObjectCache[SeenDeployment]) -> None:
    """A watch with a selector says DELETED when only the label is gone."""
    cache.saw("ADDED", body(1))
    cache.saw("DELETED", body(2))
    assert cache.learned(body(3, available=1)).content.available == 1
    assert available(cache) == 1


def test_a_late_goodbye_does_not_hit_the_successor(cache: ObjectCache[SeenDeployment]) -> None:
    cache.saw("ADDED", body(1))
    cache.saw("ADDED", body(5, uid="u2", available=1))
    cache.saw("DELETED", body(4))
    assert available(cache) == 1
    assert cache.saw("MODIFIED", body(3)) is None
    assert available(cache) == 1


def test_listeners_hear_what_is_gone(cache: ObjectCache[SeenDeployment]) -> None:
    gone = []
    cache.on_removal(gone.append)
    cache.saw("ADDED", body(1))
    cache.saw("MODIFIED", body(2, available=1))
    assert gone == []
    cache.saw("DELETED", body(3))
    assert gone == [("demo", "web-stable")]
    cache.drop(cache.learned(body(4)))
    assert gone == [("demo", "web-stable")] * 2
    assert len(cache) == 0


def test_an_object_that_moves_to_another_rollout(cache: ObjectCache[SeenDeployment]) -> None:
    cache.saw("ADDED", body(1))
    cache.saw("MODIFIED", body(2, labels={"canary-operator.dev/rollout": "other"}))
    assert cache.of(WEB) == []
    assert [held.name for held in cache.of(Key("demo", "other"))] == ["web-stable"]
    assert [held.name for held in cache] == ["web-stable"]
    cache.saw("MODIFIED", body(3, labels=None))
    assert cache.of(Key("demo", "other")) == []


def test_followers_hear_of_the_object_of_somebody_else_and_of_no_other(
    cache: ObjectCache[SeenDeployment],
) -> None:
    heard: list[Key] = []
    cache.on_news(heard.append)
    front, back = Key("demo", "front"), Key("demo", "back")
    for key in (front, back):
        cache.follow(key, ["web-stable"])
    foreign = body(1, labels={}, ownerReferences=[])
    assert cache.saw("ADDED", foreign) is None
    assert heard == [back, front]
    assert [held.name for held in cache.of(front)] == ["web-stable"]
    cache.saw("MODIFIED", body(2, labels={}, ownerReferences=[]))
    assert heard == [back, front], "nothing that is kept has changed"
    cache.follow(back, [])
    cache.saw("DELETED", body(3, labels={}, ownerReferences=[]))
    assert heard == [back, front, front]
    cache.follow(front, ["another"])
    cache.saw("ADDED", body(4, uid="u2", labels={}, ownerReferences=[]))
    assert heard == [back, front, front]
    cache.follow(front, ["another", "web-stable"])
    assert [held.name for held in cache.of(front)] == ["web-stable"]
    cache.saw("MODIFIED", body(5, uid="u2", labels={"team": "x"}, ownerReferences=[]))
    cache.saw("DELETED", body(6, uid="u2", labels={"team": "x"}, ownerReferences=[]))
    assert heard[-1] == front


def test_an_object_of_ours_that_loses_its_label_wakes_its_rollout(
    cache: ObjectCache[SeenDeployment],
) -> None:
    assert cache.saw("ADDED", body(1)) == WEB
    assert cache.saw("MODIFIED", body(2, labels={})) == WEB


def test_what_is_of_no_concern_is_not_kept() -> None:
    cache = ObjectCache[SeenDeployment](see_deployment, concerns=lambda one: one["spec"]["ours"])
    assert cache.saw("ADDED", {**body(1), "spec": {"ours": False}}) is None
    assert len(cache) == 0
    assert cache.saw("MODIFIED", {**body(2), "spec": {"ours": True}}) == WEB
    assert cache.saw("MODIFIED", {**body(3, available=3), "spec": {"ours": False}}) == WEB
    assert available(cache) == 3, "what is known is followed to its end"


def pod(name: str, version: int, *, revision: str = "r1", reason: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": "no such secret"}} if reason else {}
    labels = {
        "canary-operator.dev/rollout": "web",
        "canary-operator.dev/track": "stable",
        "canary-operator.dev/revision": revision,
    }
    return {
        "metadata": {
            "namespace": "demo",
            "name": name,
            "uid": name,
            "resourceVersion": str(version),
            "labels": labels,
        },
        "status": {"containerStatuses": [{"name": "app", "state": state}]},
    }


def rollout(uid: str = "owner") -> Rollout:
    return Rollout(key=WEB, uid=uid, resource_version="1", generation=1, spec={})


def deployment(**status: Any) -> dict[str, Any]:
    annotations = {"canary-operator.dev/revision": "r1"}
    counts = {
        "observedGeneration": 2,
        "replicas": 5,
        "updatedReplicas": 4,
        "readyReplicas": 3,
        "availableReplicas": 2,
    }
    return {**body(1, annotations=annotations), "status": {**counts, **status}}


def test_a_track_is_read_from_its_deployment() -> None:
    caches = Caches()
    workloads = ClusterWorkloads(None, caches)  # type: ignore[arg-type] - reads send nothing
    assert workloads.track(rollout(), "stable") == TrackState()
    caches.deployments.saw(None, deployment())
    assert workloads.track(rollout(), "stable") == TrackState(
        exists=True,
        revision="r1",
        replicas=3,
        current=True,
        pods=5,
        updated=4,
        ready=3,
        available=2,
    )
    assert workloads.track(rollout("another"), "stable") == TrackState()


def test_counts_of_an_older_spec_are_not_current() -> None:
    caches = Caches()
    workloads = ClusterWorkloads(None, caches)  # type: ignore[arg-type] - reads send nothing
    caches.deployments.saw(None, deployment(observedGeneration=1))
    assert not workloads.track(rollout(), "stable").current


def test_the_first_pod_of_the_revision_tells_the_trouble() -> None:
    caches = Caches()
    workloads = ClusterWorkloads(None, caches)  # type: ignore[arg-type] - reads send nothing
    caches.deployments.saw(None, deployment())
    caches.pods.saw(None, pod("web-stable-a", 1, revision="r0", reason="ImagePullBackOff"))
    caches.pods.saw(None, pod("web-stable-c", 1, reason="CreateContainerConfigError"))
    caches.pods.saw(None, pod("web-stable-b", 1, reason="CreateContainerConfigError"))
    trouble = "pod web-stable-b: CreateContainerConfigError: no such secret"
    assert workloads.track(rollout(), "stable").trouble == trouble
    caches.pods.saw("DELETED", pod("web-stable-b", 2))
    assert "web-stable-c" in (workloads.track(rollout(), "stable").trouble or "")


def test_a_quota_that_is_used_up_is_trouble() -> None:
    caches = Caches()
    workloads = ClusterWorkloads(None, caches)  # type: ignore[arg-type] - reads send nothing
    condition = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": 'pods "web-stable-5c9d-x7k2p" is forbidden: exceeded quota: q',
    }
    caches.deployments.saw(None, deployment(conditions=[condition]))
    expected = "FailedCreate: pods are forbidden: exceeded quota: q"
    assert workloads.track(rollout(), "stable").trouble == expected


def test_what_is_known_is_not_read_again() -> None:
    read: list[str] = []

    def see(seen: Mapping[str, Any]) -> SeenDeployment:
        read.append(seen["metadata"]["resourceVersion"])
        return see_deployment(seen)

    cache = ObjectCache[SeenDeployment](see)
    cache.learned(body(3))
    assert cache.saw("MODIFIED", body(3)) == WEB
    cache.saw("MODIFIED", body(4))
    cache.saw("DELETED", body(4))
    assert read == ["3", "4"]
    assert len(cache) == 0


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda caches, one: caches.deployments.saw("MODIFIED", one(2)), id="changed"),
        pytest.param(lambda caches, one: caches.services.saw("DELETED", one(2)), id="deleted"),
        pytest.param(lambda caches, one: caches.records.learned(one(2)), id="written"),
        pytest.param(
            lambda caches, one: caches.virtual_services.saw("ADDED", one(3, name="other")),
            id="one more",
        ),
        pytest.param(
            lambda caches, one: caches.deployments.saw("MODIFIED", one(2, labels={})),
            id="no more the rollout's",
        ),
        pytest.param(
            lambda caches, one: caches.services.saw("ADDED", one(2, uid="u2")), id="made anew"
        ),
    ],
)
def test_versions_tell_of_every_change_of_what_a_rollout_owns(
    happens: Callable[[Caches, Callable[..., dict[str, Any]]], object],
) -> None:
    caches = Caches()
    for cache in (caches.deployments, caches.services, caches.records, caches.virtual_services):
        cache.saw("ADDED", body(1))
    before = caches.versions_of(WEB)
    assert before == caches.versions_of(WEB)
    caches.pods.saw("ADDED", pod("web-1", 9))
    assert before == caches.versions_of(WEB), "a rollout with many pods is not compared for each"
    happens(caches, body)
    assert before != caches.versions_of(WEB)


def test_objects_of_one_rollout_share_their_names() -> None:
    """Two thousand rollouts have twenty thousand objects, each read from a text of its own."""
    caches = Caches()
    text = json.dumps(body(1))
    for cache in (caches.deployments, caches.virtual_services):
        cache.saw("ADDED", json.loads(text))
    one, other = caches.deployments.of(WEB)[0], caches.virtual_services.of(WEB)[0]
    assert one.rollout is not None
    assert other.rollout is not None
    assert one.namespace is other.namespace is one.rollout.namespace
    assert one.name is other.name
    assert one.rollout.name is other.rollout.name
    assert one.owner is other.owner
    assert one.owner_uid is other.owner_uid

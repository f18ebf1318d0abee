"""Which ReplicaSet belongs to which pod template of a Deployment, and its number in history."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from canary_operator.playground.client import Manifest
from canary_operator.playground.controllers.cache import is_terminating
from canary_operator.playground.controllers.sizes import Limits, Sized

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
NOT_INHERITED = {"kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MOST}
"""Annotations of a Deployment that its ReplicaSets do not get."""

SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and nothing that looks like one, so that no hash spells a word."""
HASH_LENGTH = 10


@dataclass(frozen=True)
class Revisions:
    """The ReplicaSets of one Deployment."""

    new: Manifest | None
    """The one with the Deployment's present template; `None` before it is made."""
    old: Sequence[Manifest]

    @property
    def all(self) -> list[Manifest]:
        """Return old and new ones."""
        return [*self.old, self.new] if self.new else list(self.old)

    @property
    def active(self) -> list[Manifest]:
        """Return those that are meant to have pods."""
        return [each for each in self.all if wanted_by(each)]


def wanted_by(item: Manifest) -> int:
    """Return `spec.replicas` of a Deployment or ReplicaSet."""
    replicas = item["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def counted(item: Manifest, count: str) -> int:
    """Return a number of pods from a status, 0 where it is left out."""
    return int(item.get("status", {}).get(count) or 0)


def annotation(item: Manifest, name: str) -> int:
    """Return the number in an annotation, 0 where there is none."""
    value = (item["metadata"].get("annotations") or {}).get(name, "")
    return int(value) if value.isdecimal() else 0


def sized(replica_set: Manifest) -> Sized:
    """Return a ReplicaSet as the arithmetic sees it."""
    return Sized(
        name=replica_set["metadata"]["name"],
        wanted=wanted_by(replica_set),
        available=counted(replica_set, "availableReplicas"),
        created=replica_set["metadata"].get("creationTimestamp", ""),
        most_when_sized=annotation(replica_set, MOST),
    )


def sorted_out(deployment: Manifest, replica_sets: Sequence[Manifest]) -> Revisions:
    """Tell the ReplicaSet of the present template from the others; oldest first.

    Two ReplicaSets with one template happen after hash collisions; the oldest counts, so that
    every reader picks the same one.
    """
    oldest_first = sorted(replica_sets, key=_age)
    template = _comparable(deployment["spec"]["template"])
    same = [each for each in oldest_first if _comparable(each["spec"]["template"]) == template]
    new = same[0] if same else None
    return Revisions(new, [each for each in oldest_first if each is not new])


def next_revision(revisions: Revisions) -> int:
    """Return the revision of the present template: one more than any other's."""
    return max((annotation(each, REVISION) for each in revisions.old), default=0) + 1


def size_annotations(limits: Limits) -> dict[str, str]:
    """Return what a ReplicaSet remembers of the Deployment's size, for proportional scaling."""
    return {DESIRED: str(limits.replicas), MOST: str(limits.replicas + limits.surge)}


def new_replica_set(deployment: Manifest, limits: Limits, size: int, revision: int) -> Manifest:
    """Return the ReplicaSet for the present template of a Deployment."""
    meta, spec = deployment["metadata"], deployment["spec"]
    suffix = template_hash(spec["template"], deployment.get("status", {}).get("collisionCount"))
    template_meta = spec["template"].get("metadata") or {}
    labels = {**(template_meta.get("labels") or {}), HASH_LABEL: suffix}
    selector = spec["selector"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{suffix}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": {
                **inherited(deployment),
                **size_annotations(limits),
                REVISION: str(revision),
            },
            "ownerReferences": [owner_reference(deployment, "apps/v1", "Deployment")],
        },
        "spec": {
            "replicas": size,
            "minReadySeconds": spec.get("minReadySeconds") or 0,
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: suffix},
            },
            "template": {**spec["template"], "metadata": {**template_meta, "labels": labels}},
        },
    }


def inherited(deployment: Manifest) -> dict[str, str]:
    """Return the annotations that ReplicaSets share with their Deployment."""
    annotations = deployment["metadata"].get("annotations") or {}
    return {name: value for name, value in annotations.items() if name not in NOT_INHERITED}


def owner_reference(owner: Manifest, api_version: str, kind: str) -> Manifest:
    """Return the reference that makes `owner` the controller of an object."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def template_hash(template: Manifest, collisions: int | None) -> str:
    """Return the hash of a template; `collisions` makes another one where the name was taken."""
    text = json.dumps([template, collisions], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(SAFE_LETTERS[byte % len(SAFE_LETTERS)] for byte in digest[:HASH_LENGTH])


def beyond_history(deployment: Manifest, revisions: Revisions) -> list[Manifest]:
    """Return old ReplicaSets that `revisionHistoryLimit` has no place for; the oldest go first."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    kept = 10 if limit is None else int(limit)
    alive = [each for each in revisions.old if not is_terminating(each)]
    by_revision = sorted(alive, key=lambda each: annotation(each, REVISION))
    surplus = by_revision[: max(0, len(alive) - kept)]
    return [each for each in surplus if _is_empty(each)]


def _is_empty(replica_set: Manifest) -> bool:
    """Return whether a ReplicaSet has no pods, wants none, and its status knows that."""
    observed = counted(replica_set, "observedGeneration")
    up_to_date = observed >= replica_set["metadata"].get("generation", 0)
    return up_to_date and not wanted_by(replica_set) and not counted(replica_set, "replicas")


def _age(item: Manifest) -> tuple[str, str]:
    return item["metadata"].get("creationTimestamp", ""), item["metadata"]["name"]


def _comparable(template: Manifest) -> Manifest:
    """Return a template without the hash label, which tells nothing about what the user wrote."""
    meta = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in meta.pop("labels", {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**meta, "labels": labels}}

"""Turns Deployments into ReplicaSets, as kube-controller-manager does.

The acting part only: `sizes` knows how many pods, `revisions` which ReplicaSet, and
`deployment_status` what to say about it.
"""

from datetime import datetime

from canary_operator.playground.client import Change, ChangeKind, Client, Manifest
from canary_operator.playground.controllers import timestamps
from canary_operator.playground.controllers.cache import (
    Cache,
    Key,
    controller_of,
    is_terminating,
    key_of,
)
from canary_operator.playground.controllers.deployment_status import (
    counts,
    is_complete,
    seconds_to_deadline,
    with_found_set,
    with_pause,
    with_progress,
)
from canary_operator.playground.controllers.deployment_writes import DeploymentWrites
from canary_operator.playground.controllers.replica_set_status import has_ended
from canary_operator.playground.controllers.revisions import (
    DESIRED,
    REVISION,
    Revisions,
    annotation,
    beyond_history,
    counted,
    new_replica_set,
    next_revision,
    sized,
    sorted_out,
    wanted_by,
)
from canary_operator.playground.controllers.sizes import (
    DEFAULT_SHARE,
    Limits,
    proportional_sizes,
    rolling_limits,
    size_of_new,
    sizes_of_old,
)
from canary_operator.playground.controllers.worker import Worker


class DeploymentController:
    """Reconciles a Deployment whenever it, a ReplicaSet of it, or the last of its pods changes."""

    def __init__(
        self, client: Client, deployments: Cache, replica_sets: Cache, pods: Cache
    ) -> None:
        self.worker = Worker("deployment", self._reconcile)
        self._write = DeploymentWrites(client, deployments, replica_sets)
        self._deployments = deployments
        self._replica_sets = replica_sets
        self._pods = pods
        deployments.subscribe(self._deployment_changed)
        replica_sets.subscribe(self._replica_set_changed)
        pods.subscribe(self._pod_changed)

    def _deployment_changed(self, change: Change) -> None:
        if change.kind is not ChangeKind.SYNCED:
            self.worker.wake(key_of(change.object))

    def _replica_set_changed(self, change: Change) -> None:
        if change.kind is not ChangeKind.SYNCED and (owner := controller_of(change.object)):
            self.worker.wake((key_of(change.object)[0], owner["name"]))

    def _pod_changed(self, change: Change) -> None:
        """Notice the end of pods: Recreate waits until the last old one is gone."""
        owner = controller_of(change.object) if change.kind is ChangeKind.DELETED else None
        if owner is None:
            return
        namespace, _ = key_of(change.object)
        replica_set = self._replica_sets.get((namespace, owner["name"]))
        if replica_set and (deployment := controller_of(replica_set)):
            self.worker.wake((namespace, deployment["name"]))

    async def _reconcile(self, key: Key) -> float | None:
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        limits, at = limits_of(deployment), timestamps.now()
        if is_terminating(deployment):
            fresh = counts(deployment, self._revisions(deployment), limits, at)
            await self._write.status(deployment, fresh)
            return None
        deployment = await self._write.status(deployment, with_pause(deployment, at))
        if is_paused(deployment) or was_scaled(limits, self._revisions(deployment)):
            await self._scale(deployment, limits, at)
            return None
        if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
            deployment = await self._recreate(deployment, limits, at)
        else:
            deployment = await self._roll(deployment, limits, at)
        return await self._conclude(deployment, limits, at)

    async def _scale(self, deployment: Manifest, limits: Limits, at: datetime) -> None:
        """Follow a change of `replicas` without going on with a rollout."""
        namespace, _ = key_of(deployment)
        sizes = scaled_sizes(limits, self._revisions(deployment))
        await self._write.resize(namespace, limits, sizes)
        revisions = self._revisions(deployment)
        if is_paused(deployment):
            await self._write.delete(beyond_history(deployment, revisions))
        await self._write.status(deployment, counts(deployment, revisions, limits, at))

    async def _roll(self, deployment: Manifest, limits: Limits, at: datetime) -> Manifest:
        """Move a rolling update on: first the new ReplicaSet, and if that stays, the old ones."""
        namespace, _ = key_of(deployment)
        before = self._revisions(deployment)
        total = sum(map(wanted_by, before.all))
        size = size_of_new(limits, wanted_by(before.new) if before.new else 0, total)
        deployment, new = await self._present_set(deployment, before, size, at)
        if wanted_by(new) != size:
            await self._write.resize(namespace, limits, {new["metadata"]["name"]: size})
        elif before.new is not None:
            old = [sized(each) for each in before.old if wanted_by(each)]
            await self._write.resize(namespace, limits, sizes_of_old(limits, sized(new), old))
        return deployment

    async def _recreate(self, deployment: Manifest, limits: Limits, at: datetime) -> Manifest:
        """Remove all old pods, wait until they are gone, then make the new ones."""
        namespace, _ = key_of(deployment)
        before = self._revisions(deployment)
        old = {each["metadata"]["name"]: 0 for each in before.old if wanted_by(each)}
        await self._write.resize(namespace, limits, old)
        if old or any(self._has_running_pods(each) for each in before.old):
            return deployment
        deployment, new = await self._present_set(deployment, before, limits.replicas, at)
        name = new["metadata"]["name"]
        await self._write.resize(namespace, limits, {name: limits.replicas})
        return deployment

    async def _present_set(
        self, deployment: Manifest, revisions: Revisions, size: int, at: datetime
    ) -> tuple[Manifest, Manifest]:
        """Return the ReplicaSet of the present template; made, or numbered anew, if need be."""
        revision = next_revision(revisions)
        if revisions.new is None:
            made = new_replica_set(deployment, limits_of(deployment), size, revision)
            new = await self._write.create(deployment, made)
        else:
            revision = max(revision, annotation(revisions.new, REVISION))
            new = await self._write.refresh(deployment, revisions.new, revision)
        status = with_found_set(deployment, new, at, created=revisions.new is None)
        return await self._write.status(deployment, status, revision), new

    async def _conclude(self, deployment: Manifest, limits: Limits, at: datetime) -> float | None:
        """Record counts and progress; return after how many seconds the deadline strikes."""
        revisions = self._revisions(deployment)
        fresh = counts(deployment, revisions, limits, at)
        if is_complete(deployment, fresh):
            await self._write.delete(beyond_history(deployment, revisions))
        status = with_progress(deployment, revisions, fresh, at)
        await self._write.status(deployment, status)
        left = seconds_to_deadline(deployment, status["conditions"], at)
        return None if left is None else max(left, 0) + 1  # recorded times are whole seconds

    def _revisions(self, deployment: Manifest) -> Revisions:
        return sorted_out(deployment, self._replica_sets.controlled_by(deployment))

    def _has_running_pods(self, replica_set: Manifest) -> bool:
        return not all(map(has_ended, self._pods.controlled_by(replica_set)))


def limits_of(deployment: Manifest) -> Limits:
    """Return what an update of a Deployment may do; Recreate has no leeway."""
    strategy = deployment["spec"].get("strategy") or {}
    replicas = wanted_by(deployment)
    if strategy.get("type") == "Recreate":
        return Limits(replicas, surge=0, unavailable=0)
    rolling = strategy.get("rollingUpdate") or {}
    surge, unavailable = rolling.get("maxSurge"), rolling.get("maxUnavailable")
    return rolling_limits(
        replicas,
        DEFAULT_SHARE if surge is None else surge,
        DEFAULT_SHARE if unavailable is None else unavailable,
    )


def is_paused(deployment: Manifest) -> bool:
    """Return whether a Deployment may scale but not roll out."""
    return bool(deployment["spec"].get("paused"))


def was_scaled(limits: Limits, revisions: Revisions) -> bool:
    """Return whether `replicas` changed since the ReplicaSets were sized."""
    return any(annotation(each, DESIRED) != limits.replicas for each in revisions.active)


def scaled_sizes(limits: Limits, revisions: Revisions) -> dict[str, int]:
    """Return sizes after a change of `replicas`, for all that remember the old number.

    One ReplicaSet takes the whole change; a complete new one takes it all from the others; in the
    middle of a rolling update each takes its share.
    """
    active = [sized(each) for each in revisions.active]
    if len(active) <= 1:
        newest = revisions.active or revisions.all
        return {newest[-1]["metadata"]["name"]: limits.replicas} if newest else {}
    if revisions.new and _is_saturated(limits, revisions.new):
        old = {each["metadata"]["name"]: 0 for each in revisions.old if wanted_by(each)}
        return {**old, revisions.new["metadata"]["name"]: limits.replicas}
    sizes = {each.name: each.wanted for each in active}
    return sizes | proportional_sizes(limits, active)


def _is_saturated(limits: Limits, replica_set: Manifest) -> bool:
    numbers = (
        wanted_by(replica_set),
        annotation(replica_set, DESIRED),
        counted(replica_set, "availableReplicas"),
    )
    return all(number == limits.replicas for number in numbers)

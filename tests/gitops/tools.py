"""How GitOps tools and kubectl write an object, request by request.

Each tool gets the manifest of a repository, adds its own marks to it as it does to everything, and
returns whether it had to write. The ways are those of

- kubectl: a three-way JSON merge patch of custom resources (`k8s.io/kubectl/pkg/cmd/apply` and
  `k8s.io/apimachinery/pkg/util/jsonmergepatch`), and `replace` with the live resource version;
- Argo CD 3.6: `kubectl apply`, or server-side with `--force-conflicts`
  (https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/);
- Flux: https://github.com/fluxcd/pkg/tree/e2cfd1a/ssa, `ApplyAll` in `manager_apply.go`, with the
  clean-up that kustomize-controller asks for (`internal/controller/kustomization_controller.go`
  in https://github.com/fluxcd/kustomize-controller/tree/186fb3b).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar

from canary_operator.domain.status import merge_patch
from canary_operator.playground.client import (
    APPLY,
    JSON_PATCH,
    MERGE,
    Client,
    ConflictError,
    NotFoundError,
    Resource,
)
from canary_operator.playground.local import ROLLOUTS

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

Manifest = dict[str, Any]


class Tool(ABC):
    """Something that makes the cluster look like a repository."""

    name: ClassVar[str]
    labels: ClassVar[Mapping[str, str]] = {}
    annotations: ClassVar[Mapping[str, str]] = {}

    def __init__(self, client: Client, resource: Resource = ROLLOUTS) -> None:
        self.client = client
        self.resource = resource

    def marked(self, manifest: Manifest) -> Manifest:
        """Return the manifest with the marks of the tool."""
        whole = deepcopy(manifest)
        for field, marks in (("labels", self.labels), ("annotations", self.annotations)):
            if marks:
                whole["metadata"][field] = {**whole["metadata"].get(field, {}), **marks}
        return whole

    async def apply(self, manifest: Manifest) -> bool:
        """Make the object as the manifest says; return whether anything was written."""
        whole = self.marked(manifest)
        meta = whole["metadata"]
        try:
            live = await self.client.get(self.resource, meta["name"], meta["namespace"])
        except NotFoundError:
            live = None
        return await self.write(whole, live)

    @abstractmethod
    async def write(self, wanted: Manifest, live: Manifest | None) -> bool:
        """Write what differs."""

    async def _patch(self, wanted: Manifest, body: Any, ctype: str, **query: str) -> Manifest:
        meta = wanted["metadata"]
        return await self.client.patch(
            self.resource, meta["name"], body, meta["namespace"], ctype=ctype, **query
        )


class KubectlApply(Tool):
    """`kubectl apply -f`, as people and CI jobs type it; Argo CD syncs so by default."""

    name = "kubectl apply"
    manager = "kubectl-client-side-apply"

    async def write(self, wanted: Manifest, live: Manifest | None) -> bool:
        modified = deepcopy(wanted)
        annotations = modified["metadata"].setdefault("annotations", {})
        text = json.dumps(modified, sort_keys=True, separators=(",", ":")) + "\n"
        annotations[LAST_APPLIED] = text
        query = {"fieldManager": self.manager}
        if live is None:
            path = self.resource.path(wanted["metadata"]["namespace"])
            await self.client.request("POST", path, modified, params=query)
            return True
        original = json.loads(live["metadata"].get("annotations", {}).get(LAST_APPLIED, "{}"))
        patch = three_way_patch(original, modified, live)
        if patch:
            await self._patch(wanted, patch, MERGE, **query)
        return bool(patch)


class ArgoApply(KubectlApply):
    """Argo CD without options."""

    name = "Argo CD"
    manager = "argocd-controller"
    labels: ClassVar = {
        "app.kubernetes.io/instance": "shop",
        "argocd.argoproj.io/instance": "shop",
    }
    annotations: ClassVar = {
        "argocd.argoproj.io/tracking-id": "shop:canary-operator.dev/CanaryRollout:demo/web",
        "argocd.argoproj.io/sync-wave": "3",
    }


class ArgoServerSide(Tool):
    """Argo CD with `ServerSideApply=true`."""

    name = "Argo CD, server-side"
    labels = ArgoApply.labels
    annotations = ArgoApply.annotations

    async def write(self, wanted: Manifest, live: Manifest | None) -> bool:
        query = {"fieldManager": "argocd-controller", "force": "true"}
        written = await self._patch(wanted, wanted, APPLY, **query)
        return live is None or _essence(written) != _essence(live)


class KubectlReplace(Tool):
    """`kubectl replace -f`; Argo CD with `Replace=true`."""

    name = "kubectl replace"

    async def write(self, wanted: Manifest, live: Manifest | None) -> bool:
        query = {"fieldManager": "kubectl-replace"}
        path = self.resource.path(wanted["metadata"]["namespace"])
        if live is None:
            await self.client.request("POST", path, wanted, params=query)
            return True
        wanted["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        path = f"{path}/{wanted['metadata']['name']}"
        try:
            written = await self.client.request("PUT", path, wanted, params=query)
        except ConflictError:  # the operator wrote the status meanwhile
            meta = wanted["metadata"]
            del meta["resourceVersion"]
            return await self.apply(wanted)
        return _essence(written) != _essence(live)


class Flux(Tool):
    """kustomize-controller: a dry run, and an apply only where something drifted."""

    name = "Flux"
    labels: ClassVar = {
        "kustomize.toolkit.fluxcd.io/name": "shop",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
    manager = "kustomize-controller"

    async def write(self, wanted: Manifest, live: Manifest | None) -> bool:
        query = {"fieldManager": self.manager, "force": "true"}
        if live is not None and _only_if_missing(wanted):
            return False
        if live is not None:
            foretold = await self._patch(wanted, wanted, APPLY, **query, dryRun="All")
            cleaned = await self._take_over_from_kubectl(wanted, live)
            if not cleaned and _essence(foretold) == _essence(live):
                return False
        await self._patch(wanted, wanted, APPLY, **query)
        return True

    async def _take_over_from_kubectl(self, wanted: Manifest, live: Manifest) -> bool:
        """Make what kubectl wrote its own, so that the next apply drops what Git does not have."""
        entries = [entry for entry in live["metadata"]["managedFields"] if not _is_kubectl(entry)]
        taken = [entry for entry in live["metadata"]["managedFields"] if _is_kubectl(entry)]
        if not taken:
            return False
        mine = [entry for entry in entries if _is_applied_by(entry, self.manager)]
        others = [entry for entry in entries if entry not in mine]
        fields: dict[str, Any] = {}
        for entry in (*mine, *taken):
            fields = _union(fields, entry["fieldsV1"])
        merged = {**(mine or taken)[0], "manager": self.manager, "operation": "Apply"}
        value = [*others, {**merged, "fieldsV1": fields}]
        operation = {"op": "replace", "path": "/metadata/managedFields", "value": value}
        await self._patch(wanted, [operation], JSON_PATCH)
        return True


TOOLS: tuple[type[Tool], ...] = (KubectlApply, ArgoApply, ArgoServerSide, KubectlReplace, Flux)


def three_way_patch(original: Manifest, modified: Manifest, live: Manifest) -> Manifest:
    """Return what `kubectl apply` sends: what is new or changed, and what was deleted from Git."""
    additions = _without(merge_patch(live, modified), nulls=True)
    deletions = _without(merge_patch(original, modified), nulls=False)
    return _merged(additions, deletions)


def _without(patch: Manifest, *, nulls: bool) -> Manifest:
    """Keep additions and changes, or, with `nulls=False`, deletions only."""
    kept: Manifest = {}
    for key, value in patch.items():
        if isinstance(value, dict):
            if below := _without(value, nulls=nulls):
                kept[key] = below
        elif (value is None) is not nulls:
            kept[key] = value
    return kept


def _merged(one: Manifest, other: Manifest) -> Manifest:
    result = dict(one)
    for key, value in other.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merged(old, value) if both else value
    return result


def _essence(manifest: Manifest) -> tuple[Any, ...]:
    """Return what tools compare: labels, annotations, and everything but metadata and status."""
    meta = manifest["metadata"]
    rest = {key: value for key, value in manifest.items() if key not in {"metadata", "status"}}
    return meta.get("labels") or {}, meta.get("annotations") or {}, rest


def _only_if_missing(manifest: Manifest) -> bool:
    """Whether Flux is told to make the object and to leave it alone afterwards."""
    annotations = manifest["metadata"].get("annotations") or {}
    return bool(annotations.get("kustomize.toolkit.fluxcd.io/ssa") == "IfNotPresent")


def _is_kubectl(entry: Manifest) -> bool:
    """Whether Flux undoes what this manager did: the name has only to begin so."""
    return bool(entry["manager"].startswith("kubectl")) and not entry.get("subresource")


def _is_applied_by(entry: Manifest, manager: str) -> bool:
    return (entry["manager"], entry["operation"]) == (manager, "Apply")


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    keys = {**one, **other}
    return {key: _union(one.get(key, {}), other.get(key, {})) for key in keys}

"""A VirtualService that Git has and a rollout splits: what the page advises keeps both content."""

import re
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.gitops.pages import only_block
from tests.gitops.repositories import is_ready
from tests.gitops.tools import ArgoApply, Flux, Manifest, Tool
from tests.support.bed import VIRTUAL_SERVICES, Bed, Release, quick_spec, template
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

APPLICATION = yaml.safe_load(only_block("yaml", "ApplyOutOfSyncOnly"))["spec"]
FOR_FLUX = yaml.safe_load(only_block("yaml", "kustomize.toolkit.fluxcd.io/ssa"))
LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}
OWN = {"istio": {"virtualService": {"name": "shop", "routes": ["pages"]}}}
ANOTHER = {"name": "images", "route": [{"destination": {"host": "images"}, "weight": 100}]}
_STEP = re.compile(r'\.(\w+)(\[\])?|select\(\.(\w+) == "(\w+)"\)')


def in_git(namespace: str) -> Manifest:
    """Return the VirtualService of a repository."""
    weights = (("web-stable", 100), ("web-canary", 0))
    split = [{"destination": {"host": host}, "weight": weight} for host, weight in weights]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "shop", "namespace": namespace},
        "spec": {"hosts": ["shop.example.com"], "http": [{"name": "pages", "route": split}]},
    }


def without(path: str, manifest: Manifest) -> Manifest:
    """Return a manifest without what a jq path of the page leads to, as Argo CD compares it."""
    whole = deepcopy(manifest)
    steps = [step.groups() for part in path.split("|") for step in _STEP.finditer(part)]
    *way, (last, *_) = steps
    found: list[Any] = [whole]
    for field, listed, key, value in way:
        if key:
            found = [one for one in found if one.get(key) == value]
            continue
        found = [one[field] for one in found]
        found = [item for one in found for item in one] if listed else found
    for one in found:
        one.pop(last, None)
    return whole


def is_synced(git: Manifest, live: Manifest) -> bool:
    """Whether Argo CD finds no difference in the spec but what it is told to ignore."""
    (rule,) = APPLICATION["ignoreDifferences"]
    assert (rule["group"], rule["kind"]) == ("networking.istio.io", live["kind"])
    assert rule["name"] == live["metadata"]["name"]
    (path,) = rule["jqPathExpressions"]
    return bool(without(path, git)["spec"] == without(path, live)["spec"])


async def get(release: Release) -> Manifest:
    found: Manifest = await release.bed.client.get(VIRTUAL_SERVICES, "shop", release.namespace)
    return found


def weights(route: Manifest) -> list[int]:
    pages = next(one for one in route["spec"]["http"] if one["name"] == "pages")
    return [entry.get("weight", 0) for entry in pages["route"]]


async def at_20(bed: Bed, tool: Tool, git: Manifest) -> Release:
    """Return a rollout in its step, with the VirtualService from Git."""
    await tool.apply(git)
    namespace = git["metadata"]["namespace"]
    release = await bed.release(namespace=namespace, wait=False, strategy=LONG, traffic=OWN)
    await release.until(is_ready)
    await release.apply(template=template("v2"))
    await release.until(lambda status: status.get("weight") == 20)

    async def told() -> bool:
        return weights(await get(release)) == [80, 20]

    await eventually(told)
    return release


async def test_flux_makes_it_and_then_leaves_the_weights_alone(bed: Bed) -> None:
    tool, git = Flux(bed.client, VIRTUAL_SERVICES), in_git(await bed.cluster.namespace())
    git["metadata"] = {**git["metadata"], "annotations": FOR_FLUX["metadata"]["annotations"]}
    assert FOR_FLUX["kind"] == git["kind"]
    release = await at_20(bed, tool, git)
    assert not await tool.apply(git)
    assert weights(await get(release)) == [80, 20]
    del git["metadata"]["annotations"]
    assert await tool.apply(git), "without the annotation, Flux sets the weights back"


async def test_argo_cd_finds_no_difference_in_weights_and_all_others(bed: Bed) -> None:
    tool, git = ArgoApply(bed.client, VIRTUAL_SERVICES), in_git(await bed.cluster.namespace())
    release = await at_20(bed, tool, git)
    live = await get(release)
    assert git["spec"] != live["spec"]
    assert is_synced(git, live), "so a sync of something else leaves it alone"
    git["spec"]["http"] = [ANOTHER, *git["spec"]["http"]]
    assert not is_synced(git, live)
    await tool.apply(git)

    async def repaired() -> bool:
        return weights(await get(release)) == [80, 20]

    await eventually(repaired, 2.0)
    live = await get(release)
    assert live["spec"]["http"][0] == ANOTHER
    assert is_synced(git, live)

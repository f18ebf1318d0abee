"""The operator under exactly the rights that it is installed with: enough, and nothing to spare.

Every test in this folder runs under the rights of `deploy/manifests` (see `tests/support/bed.py`);
here they are compared with what is used.
"""

import itertools
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.engine.tick import RECORDS_KEPT
from canary_operator.playground.api.requests import Request
from canary_operator.playground.client import DEPLOYMENTS, MERGE, SERVICES, Manifest, Resource
from canary_operator.playground.local import ROLLOUTS
from deploy.rendering import render
from tests.support.adopting import Shop
from tests.support.bed import (
    EVENTS,
    Bed,
    Release,
    bed_around,
    condition,
    open_cluster,
    quick_spec,
    template,
)
from tests.support.clusters import DEFINITION_FOLDERS, EmbeddedCluster, eventually
from tests.support.counting import OPERATOR, WATCHES
from tests.support.rights import KINDS_OF_RIGHTS, apply_all, manifests

NAME = "canary-operator"
CRDS = Path(__file__).parents[2] / "crds"
RECORDS = Resource("controllerrevisions", "apps")
DESTINATION_RULES = Resource("destinationrules", "networking.istio.io")
AUTOSCALERS = Resource("horizontalpodautoscalers", "autoscaling", "v2")
LEADING = ("--leader-election", f"--leader-election-namespace={NAME}")
ANALYSIS = {"interval": "5s", "window": "2s", "failureLimit": 0, "minRequests": 5}

Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""

HIDDEN: frozenset[Right] = frozenset(
    {
        ("canary-operator.dev", "canaryrollouts/finalizers", "update"),
        ("apps", "deployments", "create"),
        ("apps", "deployments", "delete"),
        ("", "services", "create"),
        ("networking.istio.io", "virtualservices", "create"),
        ("networking.istio.io", "destinationrules", "create"),
        ("autoscaling", "horizontalpodautoscalers", "create"),
    }
)
"""Rights that a real API server asks for within a request, and does not write into its audit log.

`tests/security/test_needed_rights.py` takes each of them away and sees what it was for.
"""


@dataclass(frozen=True)
class Installed:
    """An operator, what it may do, and where."""

    bed: Bed
    rights: Sequence[Manifest]
    namespace: str | None
    """The only one that it watches; None for all."""


def granted(rights: Iterable[Manifest]) -> set[Right]:
    """Return the rights of the one account that there is."""
    return {
        right
        for rule in rules(rights)
        for right in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def rules(rights: Iterable[Manifest]) -> list[dict[str, Any]]:
    """Return the rules of the roles that are bound to a ServiceAccount."""
    documents = list(rights)
    roles = {(d["kind"], d["metadata"]["name"]): d["rules"] for d in documents if "rules" in d}
    bound = [d["roleRef"] for d in documents if d.get("subjects")]
    return [rule for each in bound for rule in roles[each["kind"], each["name"]]]


def right_of(request: Request) -> Right:
    resource = "/".join(filter(None, (request.resource, request.subresource)))
    return request.group, resource, request.verb


def operators_requests(bed: Bed) -> list[Request]:
    log = bed.cluster.requests()
    return [r for agent in (OPERATOR, WATCHES) for r in log.matching(user_agent=agent)]


def used(bed: Bed) -> set[Right]:
    """Return the rights that the operator needed, as far as the API server tells."""
    told = {right_of(request) for request in operators_requests(bed) if request.resource}
    if isinstance(bed.cluster, EmbeddedCluster):
        asked = bed.cluster.api.authorizer.asked
        told |= {(one.group, one.resource, one.verb) for one in asked if one.user == bed.user}
    return told


def namespaced_rights(namespace: str) -> list[Manifest]:
    """Return what the chart renders for an operator of one namespace."""
    rendered = render({"watchNamespaces": [namespace]})
    parts = ("serviceaccount.yaml", "rbac.yaml", "leader-election.yaml")
    documents = [one for part in parts for one in yaml.safe_load_all(rendered[part]) if one]
    return [*manifests("Namespace"), *documents]


@pytest_asyncio.fixture(params=["all namespaces", "one namespace"])
async def installed(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installed]:
    async with open_cluster(tmp_path, *DEFINITION_FOLDERS) as cluster:
        rights, namespace, arguments = manifests(*KINDS_OF_RIGHTS), None, LEADING
        if request.param == "one namespace":
            namespace = await cluster.namespace()
            rights = namespaced_rights(namespace)
            arguments = (*LEADING, f"--namespace={namespace}")
        cluster.forget_requests()
        async with bed_around(cluster, tmp_path, arguments, rights) as bed:
            yield Installed(bed, rights, namespace)


async def test_what_is_granted_is_used_and_what_is_used_is_granted(installed: Installed) -> None:
    bed, rights = installed.bed, granted(installed.rights)
    release = await bed.release(namespace=installed.namespace, analysis=ANALYSIS)
    await promote_and_roll_back(release)
    await lose_and_find(release)
    await see_a_crash(await bed.release("looping", namespace=installed.namespace, **IMPATIENT))
    await outlive_many_revisions(release)
    await focus_and_widen(release)
    await scale_and_go_back(release)
    await adopt_and_give_back(bed, installed.namespace)

    requests = operators_requests(bed)
    assert {each.user for each in requests if each.user} == {bed.user}
    hidden = set() if isinstance(bed.cluster, EmbeddedCluster) else HIDDEN
    assert rights - used(bed) - hidden == set(), "granted and never used"
    assert used(bed) - rights == set(), "used and never granted"
    assert rights >= HIDDEN
    if installed.namespace:
        places = {each.namespace for each in requests if each.resource}
        assert places == {installed.namespace, NAME}


IMPATIENT = {"strategy": {**quick_spec()["strategy"], "progressDeadline": "3s"}}


async def promote_and_roll_back(release: Release) -> None:
    await release.apply(template=template("v2"))
    await release.until_weight(20)
    await release.bed.client.delete(DEPLOYMENTS, "web-canary", release.namespace)
    await release.until(lambda s: s["phase"] == "Stable" and s.get("history"))
    release.traffic.canary.error_rate = 1.0
    await release.apply(template=template("v3"))
    await release.until_phase("RolledBack")
    for _ in range(2):  # the second Event counts on the first
        await release.ask("pause")
        await release.until_request_answered("Refused")


async def lose_and_find(release: Release) -> None:
    """Take the label off a record, so that the operator must look for it by name.

    Again and again: it knows the record as long as its watch has not told that it is gone.
    """
    status = await release.status()
    name = f"{release.name}-{status['rejectedRevision']}"
    label = {"metadata": {"labels": {ROLLOUT_LABEL: None}}}
    for requests in range(6, 30):
        await release.bed.client.patch(RECORDS, name, label, release.namespace, ctype=MERGE)
        await release.apply(analysis={**ANALYSIS, "minRequests": requests})
        generation = (await release.get())["metadata"]["generation"]
        await release.until(lambda s, seen=generation: s["observedGeneration"] == seen)
        if ("apps", "controllerrevisions", "get") in used(release.bed):
            return


async def see_a_crash(release: Release) -> None:
    await release.apply(template=template("crash"))
    status = await release.until_phase("RolledBack")
    assert "CrashLoopBackOff" in status["message"]  # so pods are seen
    assert condition(status, "Ready")["reason"] == "RolledBack"


async def outlive_many_revisions(release: Release) -> None:
    """Ask for so many revisions that old records go, and come to rest."""
    for number in range(RECORDS_KEPT + 1):
        await release.apply(template=template(f"w{number}"))
        generation = (await release.get())["metadata"]["generation"]
        await release.until(lambda s, seen=generation: s["observedGeneration"] == seen)
    await release.apply(template=template("v2"))
    await release.until_phase("Stable")

    async def forgotten() -> bool:
        records = (await release.bed.client.list(RECORDS, release.namespace))["items"]
        ours = [each for each in records if each["metadata"]["name"].startswith("web-")]
        return len(ours) <= RECORDS_KEPT + 2  # those of stable and of the last rejected one stay

    await eventually(forgotten)


async def focus_and_widen(release: Release) -> None:
    """Let the canary be for some requests, and then for all again: a Service comes and goes.

    So do the DestinationRules of a policy.
    """
    strategy = quick_spec()["strategy"]

    async def is_there() -> bool:
        listed = await release.bed.client.list(SERVICES, release.namespace)
        return any(one["metadata"]["name"] == "web-match" for one in listed["items"])

    async def are_gone() -> bool:
        rules = await release.bed.client.list(DESTINATION_RULES, release.namespace)
        return not (await is_there() or rules["items"])

    policy = {"istio": {"trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}}
    focused = {**strategy, "match": [{"headers": {"x-company": {}}}]}
    await release.apply(strategy=focused, traffic=policy)
    await eventually(is_there)
    await release.until(lambda status: condition(status, "Ready")["status"] == "True")
    # Of an object that is left empty, server-side apply makes a null, which a real server refuses.
    await release.apply(strategy=strategy, traffic={"istio": {"hosts": []}})
    await eventually(are_gone)


async def scale_and_go_back(release: Release) -> None:
    """Let an autoscaler have the pods, and take them back."""

    async def scalers(count: int) -> bool:
        listed = await release.bed.client.list(AUTOSCALERS, release.namespace)
        return len(listed["items"]) == count

    del release.spec["replicas"]
    await release.apply(autoscaling={"minReplicas": 2, "maxReplicas": 3})
    await eventually(lambda: scalers(1))
    del release.spec["autoscaling"]
    await release.apply(replicas=2)
    await eventually(lambda: scalers(0))


async def adopt_and_give_back(bed: Bed, namespace: str | None) -> None:
    """Take the place of a Deployment and of its Service, and give it back."""
    shop = Shop(bed, namespace or await bed.cluster.namespace(), "shop")
    await shop.apply_deployment()
    await shop.apply_service()
    await shop.adopt()
    await shop.lose_anchor()  # another one becomes an owner of Deployments that are there
    await bed.client.delete(ROLLOUTS, shop.name, shop.namespace)
    await shop.until_gone()


@pytest.mark.parametrize("installed", ["one namespace"], indirect=True)
async def test_another_namespace_is_left_alone(installed: Installed) -> None:
    bed = installed.bed
    stranger = await bed.release(wait=False)
    await bed.release(namespace=installed.namespace)
    assert (await stranger.status()).get("phase") is None
    assert (await bed.client.list(DEPLOYMENTS, stranger.namespace))["items"] == []
    assert (await bed.client.list(EVENTS, stranger.namespace))["items"] == []


@pytest.mark.parametrize("mode", ["all namespaces", "one namespace"])
def test_no_right_opens_more_than_it_says(mode: str) -> None:
    rights = manifests(*KINDS_OF_RIGHTS) if mode == "all namespaces" else namespaced_rights("a")
    names = [value for rule in rules(rights) for values in rule.values() for value in values]
    assert "*" not in names
    assert not any(name.startswith(("secrets", "configmaps")) for name in names)
    deleting = [rule["resources"] for rule in rules(rights) if "delete" in rule["verbs"]]
    assert deleting == [
        ["deployments"],
        ["controllerrevisions"],
        ["services"],
        ["virtualservices"],
        ["destinationrules"],
        ["horizontalpodautoscalers"],
    ]
    assert not {"escalate", "bind", "impersonate", "deletecollection"} & set(names)
    assert not any("nonResourceURLs" in rule for rule in rules(rights))
    assert not any(name in {"pods/exec", "serviceaccounts/token"} for name in names)
    bindings = [d["roleRef"]["name"] for d in rights if "roleRef" in d]
    assert all(name.startswith(NAME) for name in bindings), bindings
    kinds = {d["kind"] for d in rights}
    assert ("ClusterRole" in kinds) is (mode == "all namespaces")


async def test_one_apply_on_an_empty_cluster_runs_the_operator(tmp_path: Path) -> None:
    documents = [*manifests(folder=CRDS), *manifests()]
    async with open_cluster(tmp_path) as cluster:
        await apply_all(cluster, documents)

        async def available() -> bool:
            found = await cluster.client.get(DEPLOYMENTS, NAME, NAME)
            wanted = found["spec"]["replicas"]
            return bool(found.get("status", {}).get("availableReplicas") == wanted)

        await eventually(available)

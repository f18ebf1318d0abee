"""Which images change, and that nobody's edit is overwritten."""

from typing import Any

import pytest

from canary_operator.domain.revision import revision_of
from canary_operator.plugin.exits import PluginError
from canary_operator.plugin.live.images import plan_images
from canary_operator.plugin.live.managers import hint_about, manager_of
from tests.plugin.objects import sight
from tests.support.bed import quick_spec

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {
        "initContainers": [{"name": "migrate", "image": "tool:v1"}],
        "containers": [
            {"name": "app", "image": "app:v1", "args": ["serve"]},
            {"name": "proxy", "image": "proxy:v1"},
        ],
    },
}
WEB = sight(spec=quick_spec() | {"template": TEMPLATE})
UID = {"op": "test", "path": "/metadata/uid", "value": "u1"}


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        pytest.param({"app": "app:v2"}, [("app", "app:v1", "app:v2")], id="one"),
        pytest.param({"app": "app:v1"}, [], id="the same"),
        pytest.param(
            {"app": "app:v1", "proxy": "proxy:v2"},
            [("proxy", "proxy:v1", "proxy:v2")],
            id="one of two is the same",
        ),
        pytest.param(
            {"migrate": "tool:v2"}, [("migrate", "tool:v1", "tool:v2")], id="an init container"
        ),
        pytest.param(
            {"*": "all:v2"},
            [
                ("app", "app:v1", "all:v2"),
                ("proxy", "proxy:v1", "all:v2"),
                ("migrate", "tool:v1", "all:v2"),
            ],
            id="all",
        ),
        pytest.param(
            {"*": "all:v2", "app": "app:v1"},
            [("proxy", "proxy:v1", "all:v2"), ("migrate", "tool:v1", "all:v2")],
            id="all but one",
        ),
    ],
)
def test_what_changes(wishes: dict[str, str], expected: list[tuple[str, str, str]]) -> None:
    assert [change.words for change in plan_images(WEB, wishes).changes] == expected


@pytest.mark.parametrize(
    ("name", "known"), [("ap", "app, proxy, migrate"), ("APP", "app, proxy, migrate")]
)
def test_a_container_that_is_not_there(name: str, known: str) -> None:
    with pytest.raises(PluginError) as raised:
        plan_images(WEB, {name: "x:v1"})
    assert raised.value.format_message() == f"web has no container {name}. It has: {known}."


def test_the_patch_changes_the_images_that_were_seen() -> None:
    plan = plan_images(WEB, {"proxy": "proxy:v2", "migrate": "tool:v2"})
    proxy = "/spec/template/spec/containers/1"
    tool = "/spec/template/spec/initContainers/0"
    assert plan.operations == [
        UID,
        {"op": "test", "path": f"{proxy}/name", "value": "proxy"},
        {"op": "test", "path": f"{proxy}/image", "value": "proxy:v1"},
        {"op": "add", "path": f"{proxy}/image", "value": "proxy:v2"},
        {"op": "test", "path": f"{tool}/name", "value": "migrate"},
        {"op": "test", "path": f"{tool}/image", "value": "tool:v1"},
        {"op": "add", "path": f"{tool}/image", "value": "tool:v2"},
    ]


def test_the_new_template_is_known_before_it_is_written() -> None:
    plan = plan_images(WEB, {"app": "app:v2"})
    pod = TEMPLATE["spec"]
    app, proxy = pod["containers"]
    expected = {**TEMPLATE, "spec": {**pod, "containers": [{**app, "image": "app:v2"}, proxy]}}
    assert plan.template == expected
    assert revision_of(plan.template) == revision_of(expected) != revision_of(TEMPLATE)
    assert app["image"] == "app:v1"


@pytest.mark.parametrize(
    ("labels", "annotations", "expected"),
    [
        pytest.param({}, {}, None, id="a person"),
        pytest.param({"app.kubernetes.io/instance": "shop"}, {}, None, id="a label of any chart"),
        pytest.param(
            {},
            {"argocd.argoproj.io/tracking-id": "shop:canary-operator.dev/CanaryRollout:demo/web"},
            "Argo CD (application shop)",
            id="Argo CD by annotation",
        ),
        pytest.param(
            {"app.kubernetes.io/instance": "shop"},
            {"argocd.argoproj.io/sync-wave": "3"},
            "Argo CD (application shop)",
            id="Argo CD by label",
        ),
        pytest.param({"argocd.argoproj.io/instance": "x"}, {}, "Argo CD (application x)", id="own"),
        pytest.param({}, {"argocd.argoproj.io/sync-wave": "3"}, "Argo CD", id="Argo CD, unnamed"),
        pytest.param(
            {"kustomize.toolkit.fluxcd.io/name": "apps"}, {}, "Flux (Kustomization apps)", id="Flux"
        ),
        pytest.param(
            {"helm.toolkit.fluxcd.io/name": "shop"},
            {"meta.helm.sh/release-name": "shop"},
            "Flux (HelmRelease shop)",
            id="Helm by Flux",
        ),
        pytest.param({}, {"meta.helm.sh/release-name": "shop"}, "Helm (release shop)", id="Helm"),
    ],
)
def test_who_may_set_it_back(
    labels: dict[str, str], annotations: dict[str, str], expected: str | None
) -> None:
    manifest = {"metadata": {"labels": labels, "annotations": annotations}}
    assert manager_of(manifest) == expected
    assert (hint_about(manifest) is None) == (expected is None)

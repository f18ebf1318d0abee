"""`set image` against the real operator, and beside people who edit at the same time."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from canary_operator.domain.revision import revision_of
from canary_operator.playground.client import JSON_PATCH, MERGE
from canary_operator.playground.local import ROLLOUTS
from canary_operator.plugin.exits import Exit
from canary_operator.plugin.live.access import Cluster as Live
from tests.plugin.objects import ON_TRIAL, create
from tests.plugin.running import Plugin
from tests.support.adopting import Shop
from tests.support.bed import Bed, Release, quick_spec, template
from tests.support.clusters import Cluster

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]

LONG = {**quick_spec()["strategy"], "steps": [{"weight": 20, "hold": "10m"}]}


async def image_of(release: Release) -> str:
    spec = (await release.get())["spec"]
    return str(spec["template"]["spec"]["containers"][0]["image"])


async def test_another_image_starts_a_rollout(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    plugin = Plugin.of(release)
    stable = (await release.status())["stableRevision"]
    revision = revision_of(template("v2"))
    said = await plugin("set", "image", "web", "app=app:v2", "--dry-run")
    expected = (
        "web: app app:v1 → app:v2\n"
        f"Revision {revision} goes on trial against {stable}, first with 20 %.\n"
    )
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{expected}Nothing was changed: this is a dry run.\n"
    assert await image_of(release) == "app:v1"

    said = await plugin("set", "image", "cro/web", "app=app:v2")
    assert (said.code, said.out, said.err) == (0, expected, "")
    status = await release.until_weight(20)
    assert status["canaryRevision"] == revision

    said = await plugin("set", "image", "web", "app=app:v2")
    assert said.out == "web: nothing to change, the images are the same.\n"

    said = await plugin("set", "image", "web", "app=app:v1", "--ascii")
    assert said.out == (
        "web: app app:v2 -> app:v1\n"
        f"Revision {stable} is stable: all traffic goes back to it at once, and canary {revision} "
        "is given up.\n"
    )
    await release.until_phase("Stable")


async def test_the_rollout_is_followed_to_its_end(bed: Bed) -> None:
    release = await bed.release()
    said = await Plugin.of(release)("set", "image", "web", "app=app:v2", "--watch")
    assert (said.code, said.err) == (0, "")
    assert (await release.status())["stableRevision"] == revision_of(template("v2"))


async def test_a_tool_that_manages_the_object_is_named(bed: Bed) -> None:
    release = await bed.release(strategy=LONG)
    mark = {"argocd.argoproj.io/tracking-id": "shop:canary-operator.dev/CanaryRollout:x/web"}
    body = {"metadata": {"annotations": mark}}
    await bed.client.patch(ROLLOUTS, "web", body, release.namespace, ctype=MERGE)
    said = await Plugin.of(release)("set", "image", "web", "app=app:v2")
    assert said.out.splitlines()[-1] == (
        "Note: Argo CD (application shop) manages this object and may set it back: change it "
        "there, too."
    )


@pytest.mark.parametrize(
    ("images", "code", "expected"),
    [
        pytest.param(
            ["ap=x:v1"], Exit.FAILED, "web has no container ap. It has: app.", id="no container"
        ),
        pytest.param(
            ["app"], Exit.USAGE, "'app' is not CONTAINER=IMAGE. Write such as: app=shop:v2", id="="
        ),
        pytest.param(["app="], Exit.USAGE, "'app=' is not CONTAINER=IMAGE", id="no image"),
        pytest.param(["app=a", "app=b"], Exit.USAGE, "Container app is named twice", id="twice"),
        pytest.param([], Exit.USAGE, "Missing argument 'CONTAINER=IMAGE...'", id="none"),
    ],
)
async def test_what_makes_no_sense(
    cluster: Cluster, images: list[str], code: Exit, expected: str
) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, ON_TRIAL)
    said = await Plugin(cluster.kubeconfig, namespace)("set", "image", "web", *images)
    assert said.code == code
    assert expected in said.err
    assert said.out == ""


Arm = Callable[[Callable[[], Awaitable[object]]], None]


@pytest.fixture
def meddled(monkeypatch: pytest.MonkeyPatch) -> Arm:
    """Let somebody else write before our patch arrives, once."""
    patch = Live.patch

    def arm(meddle: Callable[[], Awaitable[object]]) -> None:
        waiting = [meddle]

        async def meddled_patch(self: Live, *arguments: Any) -> dict[str, Any]:
            if waiting:
                await waiting.pop()()
            return await patch(self, *arguments)

        monkeypatch.setattr(Live, "patch", meddled_patch)

    return arm


async def test_an_image_that_changed_meanwhile_is_not_overwritten(
    cluster: Cluster, meddled: Arm
) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, ON_TRIAL)
    path = "/spec/template/spec/containers/0/image"

    async def another_image() -> None:
        async with cluster.access.client() as client:  # commands run in a loop of their own
            operations = [{"op": "replace", "path": path, "value": "app:v9"}]
            await client.patch(ROLLOUTS, "web", operations, namespace, ctype=JSON_PATCH)

    meddled(another_image)
    said = await Plugin(cluster.kubeconfig, namespace)("set", "image", "web", "app=app:v2")
    assert (said.code, said.out) == (Exit.FAILED, "")
    assert said.err == (
        "error: The images of web were changed by somebody else meanwhile. Nothing was changed; "
        "look again.\n"
    )
    found = await cluster.client.get(ROLLOUTS, "web", namespace)
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "app:v9"


async def test_a_container_that_moved_is_found_again(cluster: Cluster, meddled: Arm) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, ON_TRIAL)
    path = "/spec/template/spec/containers/0"

    async def another_container() -> None:
        async with cluster.access.client() as client:
            first = {"name": "first", "image": "first:v1"}
            operations = [{"op": "add", "path": path, "value": first}]
            await client.patch(ROLLOUTS, "web", operations, namespace, ctype=JSON_PATCH)

    meddled(another_container)
    said = await Plugin(cluster.kubeconfig, namespace)("set", "image", "web", "app=app:v2")
    assert (said.code, said.err) == (0, "")
    found = await cluster.client.get(ROLLOUTS, "web", namespace)
    images = [one["image"] for one in found["spec"]["template"]["spec"]["containers"]]
    assert images == ["first:v1", "app:v2"]


async def test_what_the_server_refuses_is_told(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, ON_TRIAL)
    image = "x" * 1025
    said = await Plugin(cluster.kubeconfig, namespace)("set", "image", "web", f"app={image}")
    assert (said.code, said.out) == (Exit.FAILED, "")
    assert said.err.startswith("error: The API server refuses: ")
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize(
    "command", [("set", "image", "web", "app=app:v2"), ("undo", "web")], ids=["set image", "undo"]
)
async def test_pods_of_a_deployment_are_changed_there(bed: Bed, command: tuple[str, ...]) -> None:
    shop = Shop(bed, await bed.cluster.namespace())
    release = await shop.rollout("web")
    before = (await release.get())["spec"]
    said = await Plugin.of(release)(*command)
    assert said.code == Exit.FAILED
    assert "web takes its pods from Deployment web" in said.err
    assert "kubectl set image deployment/web" in said.err
    assert (await release.get())["spec"] == before

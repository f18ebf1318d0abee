"""What goes wrong before anything was asked for: one line each, with what to do."""

from pathlib import Path

import pytest
import yaml

from canary_operator.plugin.exits import Exit
from tests.plugin.objects import AT_REST, CANARY, ON_TRIAL, create
from tests.plugin.people import rule, somebody
from tests.plugin.running import Plugin
from tests.support.bed import open_cluster
from tests.support.clusters import Cluster, EmbeddedCluster

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("plugin")]


async def test_no_cluster(tmp_path: Path) -> None:
    said = await Plugin(tmp_path / "none", "demo")("promote", "web")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err == (
        f"error: No cluster: there is no kubeconfig at {tmp_path / 'none'}. "
        "Set KUBECONFIG or --kubeconfig.\n"
    )


def with_text(cluster: Cluster, folder: Path, before: str, after: str) -> Path:
    """Return a kubeconfig in which something is wrong."""
    text = cluster.kubeconfig.read_text()
    assert before in text
    path = folder / "wrong.kubeconfig"
    path.write_text(text.replace(before, after))
    return path


async def test_a_cluster_that_is_switched_off(cluster: Cluster, tmp_path: Path) -> None:
    path = with_text(cluster, tmp_path, cluster.url, "http://127.0.0.1:9")
    said = await Plugin(path, "demo")("promote", "web")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err.startswith("error: No answer from the API server at http://127.0.0.1:9: ")
    assert len(said.err.splitlines()) == 1


async def test_expired_credentials(cluster: Cluster, tmp_path: Path) -> None:
    if isinstance(cluster, EmbeddedCluster):
        cluster.api.authorizer.enabled = True
    assert cluster.token
    path = with_text(cluster, tmp_path, f'"{cluster.token}"', '"expired"')
    said = await Plugin(path, "demo")("promote", "web")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err == (
        f"error: The API server at {cluster.url} does not accept the credentials of context test: "
        "they are wrong or expired. Log in again, or choose another --context.\n"
    )


async def test_a_cluster_without_the_definition(tmp_path: Path) -> None:
    async with open_cluster(tmp_path) as bare:
        said = await Plugin(bare.kubeconfig, "default")("promote", "web")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err.startswith("error: This cluster does not know CanaryRollouts: ")


async def test_the_wrong_namespace(cluster: Cluster) -> None:
    shop = await cluster.namespace("shop")
    here = await cluster.namespace()
    await create(cluster.client, shop, AT_REST, name="till")
    said = await Plugin(cluster.kubeconfig, here)("promote", "till")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err == (
        f"error: No CanaryRollout till in namespace {here}; there is one in {shop}. "
        f"Choose it with: -n {shop}\n"
    )


async def test_no_right_to_ask(cluster: Cluster, tmp_path: Path) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, ON_TRIAL)
    person = await somebody(cluster, namespace, tmp_path, rule("get list watch"))
    said = await person("promote", "web")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err == (
        f"error: You may not patch canaryrollouts.canary-operator.dev in namespace {namespace}. "
        "Ask for the right, or check it with: kubectl auth can-i patch "
        f"canaryrollouts.canary-operator.dev -n {namespace}\n"
    )


async def test_no_right_to_see_the_answer(cluster: Cluster, tmp_path: Path) -> None:
    namespace = await cluster.namespace()
    await create(cluster.client, namespace, ON_TRIAL)
    person = await somebody(cluster, namespace, tmp_path, rule("get patch"))
    said = await person("promote", "web")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err.startswith(
        "error: The request is made, but its outcome cannot be seen: You may not list "
    )
    said = await person("abort", "web", "--no-wait")
    assert said.code == 0
    assert said.out.startswith(f"web: abort asked for canary {CANARY}; ")


async def test_a_wait_in_bare_seconds(cluster: Cluster, tmp_path: Path) -> None:
    path = with_text(cluster, tmp_path, cluster.url, "http://127.0.0.1:9")
    said = await Plugin(path, "demo")("promote", "web", "--request-timeout", "30")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err.startswith("error: No answer from the API server at ")


async def test_a_login_that_fails(cluster: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "login"
    program.write_text("#!/bin/sh\necho 'session expired' >&2\nexit 1\n")
    program.chmod(0o755)
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    version = "client.authentication.k8s.io/v1"
    for user in content["users"]:
        user["user"] = {"exec": {"command": str(program), "apiVersion": version}}
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(content))
    said = await Plugin(path, "demo")("promote", "web")
    assert said.code == Exit.IMPOSSIBLE
    assert said.err == (
        f"error: The login program {program} failed with exit code 1: session expired\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["promote"], "Missing argument 'NAME'", id="no name"),
        pytest.param(["promote", "deploy/web"], "'deploy/web' is no CanaryRollout", id="a kind"),
        pytest.param(
            ["pause", "web", "--timeout", "soon"], "'soon' is not a duration", id="a duration"
        ),
        pytest.param(["promote", "web/../x"], "'web/../x' is no CanaryRollout", id="a path"),
        pytest.param(["promote", "Web"], "'Web' is no name", id="a name in capitals"),
        pytest.param(["promote", "web?x=1"], "'web?x=1' is no name", id="a query"),
        pytest.param(["promote", "cro/"], "'cro/' is no name", id="a kind without a name"),
        pytest.param(["promote", ".."], "'..' is no name", id="dots"),
        pytest.param(["promote", "w" * 254], "is no name", id="a name that is too long"),
        pytest.param(
            ["promote", "web", "--as-group", "dev"], "--as-group needs --as", id="a group alone"
        ),
    ],
)
async def test_a_command_line_that_makes_no_sense(arguments: list[str], expected: str) -> None:
    said = await Plugin(Path("none"), "demo")(*arguments)
    assert said.code == Exit.USAGE
    assert expected in said.err


@pytest.mark.parametrize("namespace", ["a/b", "Demo", "a.b", "n" * 64])
async def test_a_namespace_that_makes_no_sense(namespace: str) -> None:
    said = await Plugin(Path("none"), namespace)("list")
    assert said.code == Exit.USAGE
    assert f"{namespace!r} is no name of a namespace" in said.err

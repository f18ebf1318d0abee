"""Where the cluster is, who asks, and what answers mean that are none of Kubernetes."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from canary_operator.adapters.cluster import configuration as renewal
from canary_operator.adapters.cluster.connection import credentials_of
from canary_operator.adapters.cluster.errors import Call, NotFoundError
from canary_operator.adapters.cluster.resources import DEPLOYMENTS, ROLLOUTS
from canary_operator.plugin.exits import OutageError, PluginError
from canary_operator.plugin.live.access import connect
from canary_operator.plugin.live.kubeconfig import Kubeconfig, files_of
from canary_operator.plugin.live.names import complete_names
from canary_operator.plugin.target import Target

VERSION = "client.authentication.k8s.io/v1"
SECRET = "eyJhbGciOiJub25lIn0.c2VjcmV0.c2lnbmF0dXJl"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def _outside_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)


def config(name: str, *, current: str | None = None, **user: Any) -> dict[str, Any]:
    """Return a kubeconfig of one context; a cluster, a user and a namespace have its name."""
    return {
        "current-context": current,
        "clusters": [{"name": name, "cluster": {"server": f"http://{name}.test"}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": name}}],
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


async def refused(target: Target) -> str:
    """Return why a cluster cannot be opened, in its one line."""
    with pytest.raises(PluginError) as raised:
        async with connect(target):
            pass
    words = raised.value.format_message()
    assert len(words.splitlines()) == 1
    return words


A, B = config("a", current="a"), config("b", current="b")
UNSET = {**config("c"), "current-context": ""}


@pytest.mark.parametrize(
    ("files", "context", "expected"),
    [
        pytest.param([A], None, "a", id="one file"),
        pytest.param([A, B], None, "a", id="the first of two current contexts counts"),
        pytest.param([UNSET, B, A], None, "b", id="the first that is set"),
        pytest.param(["", B], None, "b", id="an empty first file"),
        pytest.param([None, B], None, "b", id="a first file that is missing"),
        pytest.param([A, B], "b", "b", id="another one is asked for"),
        pytest.param([UNSET], "c", "c", id="asked for, and no current one"),
        pytest.param([{**A, "current-context": "gone"}], "a", "a", id="the current one is broken"),
        pytest.param(
            [A, {**config("a"), "clusters": [{"name": "a", "cluster": {"server": "http://x"}}]}],
            None,
            "a",
            id="of two entries of one name the first counts",
        ),
    ],
)
async def test_which_context(
    files: list[Any],
    context: str | None,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [tmp_path / str(number) for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        if content is not None:
            write(path, content)
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, paths)))
    async with connect(Target(context=context)) as cluster:
        assert cluster.address == f"http://{expected}.test"
        assert cluster.namespace == expected
        assert cluster.who == f"context {expected}"


@pytest.mark.parametrize(
    ("content", "context", "expected"),
    [
        pytest.param(
            UNSET,
            None,
            "The kubeconfig FILE has no current context. Choose one with --context; there are: c.",
            id="no current context",
        ),
        pytest.param(
            "",
            None,
            "The kubeconfig FILE has no current context. "
            "Choose one with --context; there are: none.",
            id="an empty file",
        ),
        pytest.param(A, "b", "No context b in FILE; there are: a", id="an unknown context"),
        pytest.param(
            {**A, "current-context": "b"},
            None,
            "No context b, the current one, in FILE; there are: a",
            id="an unknown current context",
        ),
        pytest.param(
            {**A, "clusters": []},
            None,
            "Context a in FILE names no cluster a that can be used. "
            "Look at it with: kubectl config view",
            id="no such cluster",
        ),
        pytest.param(
            {**A, "users": None},
            None,
            "Context a in FILE names no user a that can be used. "
            "Look at it with: kubectl config view",
            id="no such user",
        ),
        pytest.param(
            "- a", None, "The kubeconfig FILE cannot be used: it is no mapping", id="a list"
        ),
        pytest.param(
            {"contexts": ["a"]},
            None,
            "The kubeconfig FILE cannot be used: "
            "its contexts are no list of entries with name and context",
            id="entries without a name",
        ),
        pytest.param(
            f"users:\n- token: {SECRET}: x\n",
            None,
            "The kubeconfig FILE cannot be used: mapping values are not allowed here in line 2",
            id="no YAML, beside a token",
        ),
    ],
)
async def test_what_is_wrong_with_a_kubeconfig(
    content: Any, context: str | None, expected: str, tmp_path: Path
) -> None:
    file = write(tmp_path / "config", content)
    assert await refused(Target(file, context)) == expected.replace("FILE", str(file))


async def test_a_context_without_a_user(tmp_path: Path) -> None:
    content = config("a", current="a")
    del content["contexts"][0]["context"]["user"]
    content["clusters"][0]["cluster"]["server"] = "https://a.test"
    async with connect(Target(write(tmp_path / "config", content))) as cluster:
        assert cluster.address == "https://a.test"


def test_contexts_are_completed_without_a_current_one(tmp_path: Path) -> None:
    file = write(tmp_path / "config", UNSET)
    assert files_of(Target(file)) == [file]
    assert Kubeconfig.read([file]).current == ""
    assert complete_names("contexts", {"kubeconfig": file}, "") == ["c"]


def login(folder: Path, script: str, **settings: Any) -> dict[str, Any]:
    """Return a user who logs in with a shell script."""
    program = folder / "login"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"exec": {"command": str(program), "apiVersion": VERSION, **settings}}


def credential(version: str = VERSION, **status: Any) -> str:
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    return f"echo '{json.dumps(answer)}'"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param(
            "echo looking >&2; echo 'session expired, run: sso login' >&2; exit 3",
            "failed with exit code 3: session expired, run: sso login",
            id="it fails",
        ),
        pytest.param("exit 1", "failed with exit code 1", id="it fails without a word"),
        pytest.param(
            f"echo 'refused: Bearer abc {SECRET}' >&2; exit 1",
            "failed with exit code 1: refused: Bearer … …",
            id="it tells a token",
        ),
        pytest.param(f"echo {SECRET}", "prints something else than JSON", id="no JSON"),
        pytest.param("echo '{}'", "prints something else than an ExecCredential", id="no kind"),
        pytest.param(
            credential("client.authentication.k8s.io/v1alpha1", token=SECRET),
            "prints apiVersion client.authentication.k8s.io/v1alpha1, "
            f"and the kubeconfig asks for {VERSION}",
            id="another version",
        ),
        pytest.param(
            credential(clientCertificateData="x"),
            "gives neither a token nor a client certificate with its key",
            id="a certificate without its key",
        ),
    ],
)
async def test_a_login_that_fails(script: str, expected: str, tmp_path: Path) -> None:
    file = write(tmp_path / "config", config("a", current="a", **login(tmp_path, script)))
    words = await refused(Target(file))
    assert words == f"The login program {tmp_path / 'login'} {expected}"


async def test_a_login_program_that_is_not_installed(tmp_path: Path) -> None:
    user = {
        "exec": {"command": "no-such-login", "apiVersion": VERSION, "installHint": "Get it:\n x"}
    }
    words = await refused(Target(write(tmp_path / "config", config("a", current="a", **user))))
    assert words == (
        "The login program no-such-login cannot be run: no such file or directory. Get it: x"
    )


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    """Serve one answer to everything and yield the address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


def at(folder: Path, address: str, **user: Any) -> Path:
    content = config("a", current="a", **user)
    content["clusters"][0]["cluster"]["server"] = address
    return write(folder / "config", content)


COUNTING = """n=$(cat N 2>/dev/null || echo 0); n=$((n + 1)); echo $n > N
[ $n -eq 3 ] && echo 'no network' >&2 && exit 1
echo '{"apiVersion": "VERSION", "kind": "ExecCredential", "status": {"token": "t-'$n'"}}'"""


async def test_tokens_are_renewed_and_a_renewal_that_fails_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = []

    async def answer(request: web.Request) -> web.Response:
        tokens.append(request.headers["Authorization"])
        return web.json_response({"kind": "CanaryRollout", "metadata": {}})

    monkeypatch.setattr(renewal, "_RENEW_SECONDS", 0.0)
    script = COUNTING.replace("N ", f"{tmp_path / 'n'} ").replace("> N", f"> {tmp_path / 'n'}")
    user = login(tmp_path, script.replace("VERSION", VERSION))
    async with (
        serving(answer) as address,
        connect(Target(at(tmp_path, address, **user))) as cluster,
    ):
        await cluster.get(ROLLOUTS, "demo", "web")
        with pytest.raises(OutageError, match="failed with exit code 1: no network"):
            await cluster.get(ROLLOUTS, "demo", "web")
        await cluster.get(ROLLOUTS, "demo", "web")
    assert tokens == ["Bearer t-2", "Bearer t-4"]


async def test_a_token_that_lasts_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "_RENEW_SECONDS", 0.0)
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    runs = tmp_path / "runs"
    script = f"echo >> {runs}; " + credential(token="t", expirationTimestamp=later)
    file = write(tmp_path / "config", config("a", current="a", **login(tmp_path, script)))
    async with connect(Target(file)) as cluster:
        for _ in range(2):
            assert (await credentials_of(cluster._configuration))["authorization"] == "Bearer t"
    assert len(runs.read_text()) == 1


def status(code: int, message: str, **more: Any) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "message": message, "code": code, **more}
    return web.json_response(body, status=code)


def text(code: int, words: str) -> web.Response:
    return web.Response(status=code, text=words)


def page(code: int) -> web.Response:
    words = "<!DOCTYPE html>\n<html><title>Log in</title></html>"
    return web.Response(status=code, text=words, content_type="text/html")


NO_KUBERNETES = (
    "What answers at ADDRESS is no Kubernetes API: it says {}. "
    "Is a login page or a proxy in between, or the address in the kubeconfig wrong?"
)
RBAC = (
    'canaryrollouts.canary-operator.dev "web" is forbidden: User "ann" cannot {} resource "{}" '
    'in API group "canary-operator.dev" in the namespace "demo"'
)
MISSING = (
    "This cluster does not know CanaryRollouts: their CRD is not installed. "
    "Install the operator, or at least: kubectl apply -f crds/"
)
FORBIDS = "The API server forbids to get canaryrollouts.canary-operator.dev demo/web: "


@pytest.mark.parametrize(
    ("answer", "expected", "heals"),
    [
        pytest.param(
            lambda: page(200),
            NO_KUBERNETES.format("200 and something else than an object"),
            True,
            id="a login page",
        ),
        pytest.param(
            lambda: web.json_response({"login": "needed"}),
            NO_KUBERNETES.format("200 and something else than an object"),
            True,
            id="JSON of something else",
        ),
        pytest.param(
            lambda: web.Response(status=302, headers={"Location": "/"}),
            "No answer from the API server at ADDRESS: it redirects without end. Does the cluster "
            "run, and is it the right context (kubectl config current-context)?",
            True,
            id="redirects without end",
        ),
        pytest.param(
            lambda: page(404), NO_KUBERNETES.format("404 and a web page"), True, id="404, a page"
        ),
        pytest.param(
            lambda: text(404, "default backend\n- 404"),
            NO_KUBERNETES.format("404 and default backend"),
            True,
            id="404, of an ingress",
        ),
        pytest.param(lambda: text(404, "404 page not found\n"), MISSING, False, id="404, no group"),
        pytest.param(
            lambda: status(404, "the server could not find the requested resource", details={}),
            MISSING,
            False,
            id="404, no kind",
        ),
        pytest.param(
            lambda: text(400, "Client sent an HTTP request to an HTTPS server\n"),
            NO_KUBERNETES.format("400 and Client sent an HTTP request to an HTTPS server"),
            True,
            id="400, of TLS",
        ),
        pytest.param(
            lambda: text(502, "bad gateway\nat line 1\nat line 2"),
            "The API server failed (502): bad gateway",
            True,
            id="502, several lines",
        ),
        pytest.param(
            lambda: page(503), "The API server failed (503): a web page", True, id="503, a page"
        ),
        pytest.param(lambda: text(500, ""), "The API server failed (500)", True, id="500, empty"),
        pytest.param(
            lambda: page(403), NO_KUBERNETES.format("403 and a web page"), True, id="403, a page"
        ),
        pytest.param(
            lambda: status(403, RBAC.format("get", "canaryrollouts")),
            "You may not get canaryrollouts.canary-operator.dev in namespace demo. Ask for the "
            "right, or check it with: kubectl auth can-i get canaryrollouts.canary-operator.dev "
            "-n demo",
            False,
            id="403, a right",
        ),
        pytest.param(
            lambda: status(403, RBAC.format("get", "canaryrollouts/status")),
            FORBIDS + RBAC.format("get", "canaryrollouts/status"),
            False,
            id="403, a right to something else",
        ),
        pytest.param(
            lambda: status(
                403, 'admission webhook "calm.test" denied the request: you cannot\nship on Fridays'
            ),
            FORBIDS + 'admission webhook "calm.test" denied the request: you cannot ship on '
            "Fridays",
            False,
            id="403, a webhook",
        ),
        pytest.param(
            lambda: status(
                403,
                'users "bob" is forbidden: User "ann" cannot impersonate resource "users" '
                'in API group "" at the cluster scope',
            ),
            "You may not impersonate users bob. Ask for the right, or leave out --as.",
            False,
            id="403, another user",
        ),
        pytest.param(
            lambda: status(422, "spec is invalid:\n- a\n- b"),
            "The API server refuses: spec is invalid: - a - b",
            False,
            id="422, several lines",
        ),
    ],
)
async def test_answers_that_say_no(
    answer: Callable[[], web.Response], expected: str, heals: bool, tmp_path: Path
) -> None:
    async def respond(request: web.Request) -> web.Response:
        return answer()

    async with serving(respond) as address:
        with pytest.raises(PluginError) as raised:
            async with connect(Target(at(tmp_path, address))) as cluster:
                await cluster.get(ROLLOUTS, "demo", "web")
    assert raised.value.format_message() == expected.replace("ADDRESS", address)
    assert isinstance(raised.value, OutageError) == heals


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: text(404, "404 page not found\n"), id="no group"),
        pytest.param(lambda: status(404, "no such", details={"name": "web"}), id="no object"),
    ],
)
async def test_other_things_that_are_missing_are_for_the_caller_to_judge(
    answer: Callable[[], web.Response], tmp_path: Path
) -> None:
    async def respond(request: web.Request) -> web.Response:
        return answer()

    async with serving(respond) as address, connect(Target(at(tmp_path, address))) as cluster:
        with pytest.raises(NotFoundError):
            await cluster.get(DEPLOYMENTS, "demo", "web")


async def test_a_page_instead_of_a_watch_is_an_outage(tmp_path: Path) -> None:
    async def respond(request: web.Request) -> web.Response:
        return page(200)

    async with serving(respond) as address, connect(Target(at(tmp_path, address))) as cluster:
        with pytest.raises(OutageError, match="is no Kubernetes API: it says 200 and a web page"):
            async for _ in cluster.lines(Call("watch", ROLLOUTS, "demo", None), {}):
                pass


async def test_whom_to_act_as_and_which_path(tmp_path: Path) -> None:
    seen: list[web.Request] = []

    async def respond(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({"kind": "CanaryRollout", "metadata": {}})

    async with serving(respond) as address:
        target = Target(at(tmp_path, address), as_user="bob", as_groups=("dev", "ops"))
        async with connect(target) as cluster:
            await cluster.get(ROLLOUTS, "demo", "web/../../x?y")
            await cluster.get(ROLLOUTS, "demo", "web")
    for request in seen:
        assert request.headers.getall("Impersonate-User") == ["bob"]
        assert request.headers.getall("Impersonate-Group") == ["dev", "ops"]
    assert seen[0].raw_path.endswith("/namespaces/demo/canaryrollouts/web%2F..%2F..%2Fx%3Fy")

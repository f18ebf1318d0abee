"""The real kubectl, which is pickier than any test of ours."""

import asyncio
import json
import shutil
from dataclasses import replace
from typing import Any

import pytest
import yaml

from tests.contract.kube import Kube
from tests.contract.objects import DEFINITION, DEPLOYMENTS, config_map, deployment, event, thing

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on the PATH"),
]


async def kubectl(kube_api: Kube, *arguments: str, text: Any = None, code: int = 0) -> str:
    """Run kubectl in the test's namespace and return what it says."""
    assert KUBECTL
    standing = ("--kubeconfig", str(kube_api.kubeconfig), "-n", kube_api.namespace)
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        *standing,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    given = json.dumps(text).replace("$NS", kube_api.namespace).replace("$GROUP", kube_api.group)
    out, err = await process.communicate(given.encode() if text is not None else None)
    assert process.returncode == code, err.decode()
    return (out + err).decode()


async def test_applying_from_the_client(kube_api: Kube) -> None:
    body = config_map(data={"a": "1"})
    assert await kubectl(kube_api, "apply", "-f", "-", text=body) == "configmap/c created\n"
    assert await kubectl(kube_api, "apply", "-f", "-", text=body) == "configmap/c unchanged\n"
    body["data"] = {"b": "2"}
    difference = await kubectl(kube_api, "diff", "-f", "-", text=body, code=1)
    assert {'-  a: "1"', '+  b: "2"'} <= set(difference.splitlines())
    assert await kubectl(kube_api, "apply", "-f", "-", text=body) == "configmap/c configured\n"
    found = yaml.safe_load(await kubectl(kube_api, "get", "configmap", "c", "-o", "yaml"))
    assert found["data"] == {"b": "2"}


async def test_moving_from_the_client_to_the_server(kube_api: Kube) -> None:
    body = config_map(data={"a": "1", "b": "1"})
    await kubectl(kube_api, "apply", "-f", "-", text=body)
    body["data"] = {"a": "2"}
    said = await kubectl(kube_api, "apply", "--server-side", "-f", "-", text=body)
    assert said == "configmap/c serverside-applied\n"
    found = json.loads(await kubectl(kube_api, "get", "configmap", "c", "-o", "json"))
    assert found["data"] == {"a": "2"}


async def test_a_conflict_is_explained(kube_api: Kube) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    await kubectl(kube_api, *apply, "--field-manager=one", text=config_map(data={"a": "1"}))
    said = await kubectl(
        kube_api, *apply, "--field-manager=two", text=config_map(data={"a": "2"}), code=1
    )
    assert 'conflict with "one": .data.a' in said
    await kubectl(
        kube_api, *apply, "--field-manager=two", "--force-conflicts", text=config_map(data={})
    )


async def test_a_typo_is_refused(kube_api: Kube) -> None:
    body = {**config_map(), "daata": {}}
    said = await kubectl(kube_api, "apply", "-f", "-", text=body, code=1)
    assert 'strict decoding error: unknown field "daata"' in said


async def test_the_life_of_a_deployment(kube_api: Kube) -> None:
    await kubectl(kube_api, "apply", "-f", "-", text=deployment(replicas=0))
    table = (await kubectl(kube_api, "get", "deploy", "-o", "wide")).splitlines()
    assert table[0].split()[:5] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert table[1].split()[:4] == ["x", "0/0", "0", "0"]
    assert table[1].split()[5:] == ["c", "i:v1", "a=b"]
    assert "image updated" in await kubectl(kube_api, "set", "image", "deploy/x", "c=i:v2")
    assert "scaled" in await kubectl(kube_api, "scale", "deploy/x", "--replicas=0")
    assert "annotated" in await kubectl(kube_api, "annotate", "deploy/x", "k=v")
    assert "labeled" in await kubectl(kube_api, "label", "deploy/x", "k=v")
    described = await kubectl(kube_api, "describe", "deploy/x")
    assert "i:v2" in described
    status = {"observedGeneration": 99, "updatedReplicas": 0}
    if not kube_api.real:  # there, a controller reports
        await kube_api.patch(f"{DEPLOYMENTS}/x/status", {"status": status})
    resumed = await kubectl(kube_api, "rollout", "resume", "deploy/x")
    assert "resumed" in resumed
    assert "successfully rolled out" in await kubectl(
        kube_api, "rollout", "status", "deploy/x", "--timeout=20s"
    )
    assert await kubectl(kube_api, "delete", "deploy/x") == 'deployment.apps "x" deleted\n'


async def test_custom_resources(kube_api: Kube) -> None:
    kube_api = replace(kube_api, group=f"{kube_api.namespace}.example.com")
    name = f"things.{kube_api.group}"
    await kubectl(kube_api, "apply", "-f", "-", text=DEFINITION)
    await kubectl(kube_api, "wait", "--for=condition=Established", f"crd/{name}", "--timeout=20s")
    await kube_api.until_served("/apis/$GROUP/v1/namespaces/$NS/things")
    resource = f"things.v1.{kube_api.group}"
    await kubectl(kube_api, "apply", "-f", "-", text=thing(mode="a"))
    table = await kubectl(kube_api, "get", resource)
    wide = await kubectl(kube_api, "get", resource, "-o", "wide")
    assert table.split()[:4] == ["NAME", "REPLICAS", "READY", "AGE"]
    assert wide.split()[:5] == ["NAME", "REPLICAS", "READY", "MODE", "AGE"]
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"observedGeneration": 1, "phase": "x", "conditions": conditions}
    ready = json.dumps({"status": status})
    patch = ("patch", resource, "t", "--type=merge")
    await kubectl(kube_api, *patch, "--subresource=status", "-p", ready)
    await kubectl(kube_api, "wait", "--for=condition=Ready", f"{resource}/t", "--timeout=9s")
    await kubectl(kube_api, "wait", "--for=jsonpath={.status.phase}=x", f"{resource}/t")
    said = await kubectl(kube_api, *patch, "-p", '{"spec":{"replicas":99}}', code=1)
    assert "spec.replicas in body should be less than or equal to 10" in said
    await kubectl(kube_api, "scale", f"{resource}/t", "--replicas=2")
    assert "weight" in await kubectl(
        kube_api,
        *("explain", "things.spec.steps", f"--api-version={kube_api.group}/v1"),
    )
    await kubectl(kube_api, "delete", resource, "t")
    await kubectl(kube_api, "delete", "crd", name)


async def test_events_are_told(kube_api: Kube) -> None:
    created = await kubectl(kube_api, "create", "configmap", "c", "--from-literal=a=b")
    assert created == "configmap/c created\n"
    uid = await kubectl(kube_api, "get", "configmap", "c", "-o", "jsonpath={.metadata.uid}")
    regarding = {"kind": "ConfigMap", "name": "c", "namespace": "$NS", "apiVersion": "v1"}
    regarding["uid"] = uid
    await kubectl(kube_api, "create", "-f", "-", text=event(regarding=regarding))
    table = await kubectl(kube_api, "get", "events")
    assert table.split()[:6] == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert "configmap/c" in table
    described = await kubectl(kube_api, "describe", "configmap", "c")
    assert "Because" in described
    assert "hello" in described


async def test_watching_and_waiting_for_an_end(kube_api: Kube) -> None:
    await kubectl(kube_api, "apply", "-f", "-", text=config_map())
    get = ("get", "configmap", "c", "--output-watch-events", "-w", "--request-timeout=1s")
    assert "ADDED" in await kubectl(kube_api, *get)
    waiting = asyncio.create_task(
        kubectl(kube_api, "wait", "--for=delete", "configmap/c", "--timeout=20s")
    )
    await kubectl(kube_api, "delete", "configmap", "c")
    await waiting


async def test_namespaces_come_and_go(kube_api: Kube) -> None:
    name = f"{kube_api.namespace}-more"
    assert await kubectl(kube_api, "create", "namespace", name) == f"namespace/{name} created\n"
    assert "Active" in await kubectl(kube_api, "get", "namespace", name)
    if kube_api.has_controllers:
        await kubectl(kube_api, "delete", "namespace", name, "--timeout=30s")


async def test_asking_for_rights(kube_api: Kube) -> None:
    assert await kubectl(kube_api, "auth", "can-i", "delete", "pods") == "yes\n"

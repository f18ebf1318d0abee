"""`make playground`: a cluster in the foreground, used as its first lines say."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
import pytest
import yaml

from canary_operator.playground.client import APPLY, Client
from canary_operator.playground.local import ROLLOUTS
from tests.playground.mesh.conftest import needs_envoy  # noqa: F401 - a fixture

FIRST = Path(__file__).parents[2] / "examples" / "helloworld" / "1-helloworld-v1.yaml"
MANIFEST = yaml.safe_load(FIRST.read_text(encoding="utf-8"))
PATIENCE_SECONDS = 60.0


@pytest.mark.usefixtures("needs_envoy")
async def test_it_serves_kubectl_and_callers_until_it_is_interrupted() -> None:
    command = (sys.executable, "-m", "canary_operator.playground", "--rate", "20")
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            kubeconfig = Path(await said(process.stdout, r"export KUBECONFIG=(\S+)"))
            await apply_first(server_of(kubeconfig))
            address = await said(process.stdout, r"demo/helloworld gets 20 .* curl (\S+)")
            assert await answering_version(address) == "v1"
            process.send_signal(signal.SIGINT)
            _, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert (process.returncode, complaints) == (0, b"")
    assert not os.path.exists(kubeconfig)  # noqa: ASYNC240, PTH110 - one look at the end


async def said(output: asyncio.StreamReader, pattern: str) -> str:
    """Wait for a line, and return the group of `pattern` in it."""
    while line := (await output.readline()).decode():
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"never said: {pattern}")


def server_of(kubeconfig: Path) -> str:
    config = json.loads(kubeconfig.read_text())
    assert config["contexts"][0]["context"]["namespace"] == MANIFEST["metadata"]["namespace"]
    return str(config["clusters"][0]["cluster"]["server"])


async def apply_first(server: str) -> None:
    meta = MANIFEST["metadata"]
    name, namespace = meta["name"], meta["namespace"]
    async with Client(server) as client:
        await client.patch(ROLLOUTS, name, MANIFEST, namespace, ctype=APPLY, fieldManager="kubectl")


async def answering_version(address: str) -> str | None:
    """Call as curl does, which takes names under `.localhost` for this machine."""
    host, _, port = address.removeprefix("http://").partition(":")
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}", headers={"Host": host}) as answer,
    ):
        return answer.headers.get("x-version")

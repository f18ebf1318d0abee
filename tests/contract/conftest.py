import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.api.auth import ADMIN
from tests.contract.kube import Kube
from tests.contract.policies import Enforce, enforcing
from tests.support.clusters import control_plane
from tests.support.realplane import RealControlPlane, assets_folder

__all__ = ["control_plane"]

ADMIN_TOKEN = "admin-of-the-contract"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test on the embedded server and, where there is one, on the real one."""
    if "server" in metafunc.fixturenames:
        metafunc.parametrize("server", ["embedded", "real"] if assets_folder() else ["embedded"])


@pytest_asyncio.fixture
async def kube_api(
    server: str, control_plane: RealControlPlane | None, tmp_path: Path
) -> AsyncIterator[Kube]:
    """An administrator's view of a server, with a namespace of its own."""
    async with aiohttp.ClientSession() as session:
        if server == "real":
            assert control_plane
            access = control_plane.admin
            kube = Kube(
                session,
                access.url,
                access.write_kubeconfig(tmp_path / "kubeconfig"),
                real=True,
                has_controllers=control_plane.has_controllers,
                token=access.token,
                ssl_context=access.ssl_context(),
            )
            yield await _with_namespace(kube)
            return
        async with EmbeddedAPI() as api:
            api.authorizer.tokens[ADMIN_TOKEN] = ADMIN
            api.authorizer.enabled = True
            api.authorizer.nobody = ADMIN  # kubectl sends no token over plain HTTP
            path = api.write_kubeconfig(tmp_path / "kubeconfig", ADMIN_TOKEN)
            kube = Kube(session, api.url, path, real=False, token=ADMIN_TOKEN)
            yield await _with_namespace(kube)


async def _with_namespace(kube: Kube) -> Kube:
    name = f"contract-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    assert (await kube.create("/api/v1/namespaces", body)).status == 201
    return replace(kube, namespace=name)


@pytest_asyncio.fixture
async def enforce(kube_api: Kube) -> AsyncIterator[Enforce]:
    """Bring policies into force; they end with the test, because a server keeps them for all."""
    async with enforcing(kube_api) as enforced:
        yield enforced

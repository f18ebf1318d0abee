"""API servers that say of an object whether they would take it; nothing is stored."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.client import ApiStatusError, Client
from canary_operator.playground.local import ROLLOUTS
from tests.crd.specs import SMALLEST
from tests.support.clusters import DEFINITION_FOLDERS, load_definitions
from tests.support.realplane import RealControlPlane, assets_folder

NAMESPACE = "default"
PRESENT = "present"
"""Name of an object that is there, for updates."""
STRICT = {"dryRun": "All", "fieldValidation": "Strict"}
REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


@dataclass(frozen=True)
class Verdict:
    """What a server said: the object as it would store it, or why it does not."""

    stored: Mapping[str, Any] | None
    refusal: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it would take the object."""
        return self.stored is not None


def rollout(spec: Any, name: str = "web", **metadata: Any) -> dict[str, Any]:
    """Return a CanaryRollout as a user writes it."""
    return {
        "apiVersion": "canary-operator.dev/v1alpha1",
        "kind": "CanaryRollout",
        "metadata": {"name": name, **metadata},
        "spec": spec,
    }


class Planes:
    """The embedded API, and beside it the real one where it is at hand."""

    def __init__(self, runner: asyncio.Runner, clients: Mapping[str, Client]) -> None:
        self._runner = runner
        self._clients = clients

    @property
    def has_real(self) -> bool:
        """Whether the real one is among them."""
        return "real" in self._clients

    def create(self, manifest: Mapping[str, Any], **query: str) -> dict[str, Verdict]:
        """Return what each server says of a new object."""
        return self._ask("POST", ROLLOUTS.path(NAMESPACE), manifest, query)

    def update(self, spec: Any, **query: str) -> dict[str, Verdict]:
        """Return what each server says of an object that gets another spec."""
        path = ROLLOUTS.path(NAMESPACE, PRESENT)
        return self._ask("PUT", path, rollout(spec, PRESENT), query)

    def _ask(
        self, method: str, path: str, manifest: Mapping[str, Any], query: Mapping[str, str]
    ) -> dict[str, Verdict]:
        async def ask() -> dict[str, Verdict]:
            return {
                f"{name} {method}": await _verdict(client, method, path, manifest, query)
                for name, client in self._clients.items()
            }

        return self._runner.run(ask())


async def _verdict(
    client: Client,
    method: str,
    path: str,
    manifest: Mapping[str, Any],
    query: Mapping[str, str],
) -> Verdict:
    body = dict(manifest)
    if method == "PUT":
        present = await client.get(ROLLOUTS, PRESENT, NAMESPACE)
        version = present["metadata"]["resourceVersion"]
        body["metadata"] = {**body["metadata"], "resourceVersion": version}
    try:
        stored = await client.request(method, path, body, params={**STRICT, **query})
    except ApiStatusError as error:
        if error.code in REFUSALS:
            return Verdict(None, str(error))
        raise
    return Verdict(stored)


@contextmanager
def open_planes() -> Iterator[Planes]:
    """Start the API servers."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            clients = runner.run(_start(stack))
            yield Planes(runner, clients)
        finally:
            runner.run(stack.aclose())


async def _start(stack: AsyncExitStack) -> dict[str, Client]:
    embedded = await stack.enter_async_context(EmbeddedAPI())
    clients = {"embedded": await stack.enter_async_context(Client(embedded.url))}
    assets: Path | None = assets_folder()
    if assets is not None:
        real = await stack.enter_async_context(RealControlPlane(assets))
        clients["real"] = await stack.enter_async_context(real.admin.client())
    for client in clients.values():
        await load_definitions(client, DEFINITION_FOLDERS[0])
        await client.create(ROLLOUTS, rollout(SMALLEST, PRESENT), NAMESPACE)
    return clients

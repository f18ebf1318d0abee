"""One Lease (`coordination.k8s.io/v1`): read, followed, and written unless another wrote it."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.client import Client
from canary_operator.adapters.cluster.errors import (
    AlreadyExistsError,
    Call,
    NotFoundError,
    Refusal,
)
from canary_operator.adapters.cluster.resources import LEASES
from canary_operator.domain.errors import ConflictError

WATCH_SECONDS = 300


class Lease:
    """The Lease of one name; it may not exist yet."""

    def __init__(self, client: Client, namespace: str, name: str, silence_seconds: float) -> None:
        """Remember which one; nothing is sent yet.

        Args:
            client: The API server.
            namespace: Where the Lease is.
            name: Its name.
            silence_seconds: A watch that says nothing for so long is begun anew.
        """
        self.namespace = namespace
        self.name = name
        self._client = client
        self._silence_seconds = silence_seconds

    async def read(self) -> Manifest | None:
        """Return it; None where it does not exist."""
        try:
            return await self._client.get(LEASES, self.namespace, self.name)
        except NotFoundError:
            return None

    async def follow(self) -> AsyncGenerator[Manifest | None, None]:
        """Yield it as it is, then after each change, until the connection ends; None when deleted.

        A Lease that does not exist yet is reported when it is made.
        """
        call = Call("watch", LEASES, self.namespace, None)
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={self.name}",  # so rights for this name are enough
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with aclosing(self._client.lines(call, query, self._silence_seconds)) as lines:
            async for line in lines:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    status = event["object"]
                    code = status.get("code") or HTTPStatus.INTERNAL_SERVER_ERROR
                    raise self._client.refused(call, Refusal(code, status))
                yield None if event["type"] == "DELETED" else event["object"]

    async def create(self, spec: Mapping[str, Any]) -> Manifest:
        """Make it.

        Raises:
            ConflictError: somebody else was first.
        """
        body = {
            "apiVersion": f"{LEASES.group}/{LEASES.version}",
            "kind": LEASES.kind,
            "metadata": {"namespace": self.namespace, "name": self.name},
            "spec": dict(spec),
        }
        try:
            return await self._client.create(LEASES, body)
        except AlreadyExistsError as error:
            raise ConflictError(str(error)) from error

    async def change(self, version: str, spec: Mapping[str, Any]) -> Manifest:
        """Change fields of its spec, if it still has this `resourceVersion`.

        Raises:
            ConflictError: it has another one, or is gone.
        """
        patch = {"metadata": {"resourceVersion": version}, "spec": dict(spec)}
        try:
            return await self._client.merge(LEASES, self.namespace, self.name, patch)
        except NotFoundError as error:
            raise ConflictError(str(error)) from error

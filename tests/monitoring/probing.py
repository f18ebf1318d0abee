"""What an operator answers to a kubelet and to Prometheus."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from canary_operator.playground.api import Fault
from tests.support.bed import Bed
from tests.support.clusters import EmbeddedCluster, eventually

Probe = tuple[int, str]


class Probed:
    """A bed, and the operator's answers to a kubelet."""

    def __init__(self, bed: Bed, address: str) -> None:
        self.bed = bed
        self._address = address

    def needs_faults(self) -> None:
        """Skip a test where the API server cannot be made to fail."""
        _ = self.faults

    @property
    def faults(self) -> Any:
        if not isinstance(self.bed.cluster, EmbeddedCluster):
            pytest.skip("a real API server cannot be slowed down")
        return self.bed.cluster.api.faults

    @asynccontextmanager
    async def fault(self, **how: Any) -> AsyncIterator[None]:
        number = self.faults.add(Fault(**how))
        try:
            yield
        finally:
            self.faults.remove(number)

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://{self._address}{path}"

    async def get(self, path: str) -> Probe | None:
        """Return status and text; None while nothing listens."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(self.url(path)) as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientConnectionError:
            return None

    async def until_ready(self) -> list[Probe]:
        """Wait for the operator to be ready; return the different answers until then."""
        seen: list[Probe] = []

        async def ready() -> bool:
            answer = await self.get("/readyz")
            if answer is not None and answer not in seen:
                seen.append(answer)
            return answer == (200, "ok\n")

        await eventually(ready)
        return seen


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

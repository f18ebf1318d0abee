"""The embedded API as a context manager: one line to have a Kubernetes API on loopback."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from canary_operator.playground.api.auth import Authorizer
from canary_operator.playground.api.cluster import Cluster
from canary_operator.playground.api.faults import Faults
from canary_operator.playground.api.http import Front
from canary_operator.playground.api.requests import RequestLog


class EmbeddedAPI:
    """A Kubernetes API server in this process, on a free port of the loopback interface.

    Example:
        async with EmbeddedAPI() as api:
            api.write_kubeconfig(Path("kubeconfig"))
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted_port = port
        self._runner: web.AppRunner | None = None
        self.cluster = Cluster()
        self.url = ""

    @property
    def faults(self) -> Faults:
        """Return the switch for faults."""
        return self.cluster.faults

    @property
    def requests(self) -> RequestLog:
        """Return the record of requests."""
        return self.cluster.requests

    @property
    def authorizer(self) -> Authorizer:
        """Return the switch for tokens and RBAC."""
        return self.cluster.authorizer

    async def __aenter__(self) -> Self:
        self.cluster.populate()
        app = Front(self.cluster).app()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._wanted_port, backlog=1024)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cluster.store.end_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    def kubeconfig(self, token: str = "", namespace: str = "default") -> dict[str, Any]:
        """Return a kubeconfig for this server."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "playground",
            "clusters": [{"name": "playground", "cluster": {"server": self.url}}],
            "users": [{"name": "playground", "user": {"token": token} if token else {}}],
            "contexts": [
                {
                    "name": "playground",
                    "context": {
                        "cluster": "playground",
                        "user": "playground",
                        "namespace": namespace,
                    },
                }
            ],
        }

    def write_kubeconfig(
        self, path: Path | str, token: str = "", namespace: str = "default"
    ) -> Path:
        """Write a kubeconfig and return its path."""
        path = Path(path)
        path.write_text(json.dumps(self.kubeconfig(token, namespace), indent=1))
        path.chmod(0o600)
        return path

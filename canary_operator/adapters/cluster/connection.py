"""Connections to one API server: address, trust, credentials, and how a request is sent."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

OnAnswer = Callable[[str, str, int, float], None]
"""Told of every answer: verb, resource, status code (0: no answer), seconds."""

TIMEOUT_SECONDS = 10.0
JSON = "application/json"


async def credentials_of(configuration: Configuration) -> dict[str, str]:
    """Return the headers that say who we are, with credentials renewed if it is time."""
    settings: Mapping[str, Any] = await configuration.auth_settings()
    return {entry["key"]: entry["value"] for entry in settings.values()}


def trust_of(configuration: Configuration) -> Any:
    """Return the TLS context with the configuration's certificates; None for the usual one."""
    # The library reads them; its own requests are not used.
    return RESTClientObject(configuration).ssl_context


def proxy_of(configuration: Configuration) -> URL | None:
    """Return the proxy on the way to the server: the kubeconfig's, or else the environment's.

    Asked for once: with `trust_env`, aiohttp reads the environment and `~/.netrc` in threads before
    each request, which takes longer than the request.
    """
    if configuration.proxy:
        return URL(configuration.proxy)
    server = URL(configuration.host)
    found = getproxies().get(server.scheme)
    return URL(found) if found and not proxy_bypass(server.host or "") else None


class Connection:
    """Sends requests; close it at the end, or use it as a context manager."""

    def __init__(self, configuration: Configuration) -> None:
        """Remember where the server is; nothing is sent yet."""
        self._configuration = configuration
        self.timeout_seconds = TIMEOUT_SECONDS
        """Longest wait for an answer."""
        self.headers: Mapping[str, str] = {}
        """Sent with every request, such as `Impersonate-User`."""
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _url(self, path: str) -> str:
        return self._configuration.host.rstrip("/") + path

    async def _exchange(
        self, method: str, path: str, *, headers: dict[str, str], **request: Any
    ) -> tuple[int, str | None, bytes]:
        """Send one request, twice where a kept connection turns out to be closed."""
        session = self._open_session()
        headers |= await credentials_of(self._configuration)
        request["server_hostname"] = self._configuration.tls_server_name
        url = self._url(path)
        for last in (False, True):
            try:
                async with session.request(method, url, headers=headers, **request) as response:
                    retry_after = response.headers.get("Retry-After")
                    return response.status, retry_after, await response.read()
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if last:
                    raise
        raise AssertionError("unreachable: the second try returns or raises")

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trust_of(self._configuration)),
                timeout=aiohttp.ClientTimeout(total=self.timeout_seconds),
                headers={
                    "User-Agent": f"canary-operator/{version('canary-operator')}",
                    "Accept": JSON,
                    **self.headers,
                },
                proxy=proxy_of(self._configuration),
            )
        return self._session

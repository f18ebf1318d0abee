"""kopf's watches log in as our own client does: one way to find the cluster, not two."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import kopf

Login = Callable[..., Awaitable[kopf.AiohttpSession]]


@dataclass(frozen=True, kw_only=True)
class TracedSession(kopf.AiohttpSession):
    """kopf's connections to the API server, whose requests are counted."""

    info: kopf.ConnectionInfo = field(repr=False)


def login_with(load: Callable[[], Awaitable[Any]], trace: aiohttp.TraceConfig) -> Login:
    """Return kopf's login handler for the configuration that `load` finds.

    kopf calls it at the start and whenever the API server no longer takes its credentials. The
    same credentials give the same session: so kopf sees that there are none but those that were
    refused, and ends, rather than asking again with them without a pause.

    Args:
        load: Finds the cluster, and who we are.
        trace: Told of every request.
    """
    latest: TracedSession | None = None

    async def login(**_: Any) -> kopf.AiohttpSession:
        nonlocal latest
        info = await connection_info(await load())
        if latest is None or latest.info != info:
            session = _open(info, trace)
            latest = TracedSession(server=info.server, aiohttp_session=session, info=info)
        return latest

    return login


async def connection_info(found: Any) -> kopf.ConnectionInfo:
    """Return a configuration as kopf writes it."""
    scheme, token = await _authorization(found)
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        username=found.username or None,
        password=found.password or None,
        scheme=scheme,
        token=token,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        proxy_url=found.proxy,
    )


def _open(info: kopf.ConnectionInfo, trace: aiohttp.TraceConfig) -> aiohttp.ClientSession:
    """Return a session as kopf would make it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        proxy=info.proxy_url,
        trust_env=info.trust_env,
        trace_configs=[trace],
    )


async def _authorization(found: Any) -> tuple[str | None, str | None]:
    """Return scheme and token of the Authorization header, both None without one."""
    header = await found.get_api_key_with_prefix("BearerToken")
    if not header:
        return None, None
    scheme, space, token = header.partition(" ")
    return (scheme, token) if space else (None, scheme)

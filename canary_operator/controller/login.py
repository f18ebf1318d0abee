"""kopf's watches log in as our own client does: one way to find the cluster, not two."""

from collections.abc import Awaitable, Callable
from typing import Any

import kopf

Login = Callable[..., Awaitable[kopf.ConnectionInfo]]


def login_with(load: Callable[[], Awaitable[Any]]) -> Login:
    """Return kopf's login handler for the configuration that `load` finds.

    kopf calls it at the start and whenever the API server no longer takes its credentials.
    """

    async def login(**_: Any) -> kopf.ConnectionInfo:
        found = await load()
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

    return login


async def _authorization(found: Any) -> tuple[str | None, str | None]:
    """Return scheme and token of the Authorization header, both None without one."""
    header = await found.get_api_key_with_prefix("BearerToken")
    if not header:
        return None, None
    scheme, space, token = header.partition(" ")
    return (scheme, token) if space else (None, scheme)

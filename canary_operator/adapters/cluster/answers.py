"""What is in an answer of the API server: an object, words, or lines without end."""

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from canary_operator.adapters.cluster.nesting import decode

Manifest = dict[str, Any]
"""One Kubernetes object as JSON."""


def hang_up(response: aiohttp.ClientResponse) -> None:
    """Drop the connection of an endless answer at once.

    A polite end of TLS takes longer than programs live that have seen enough.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()


async def lines_of(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """Yield lines of any length."""
    buffered = b""
    async for chunk in content.iter_any():
        *complete, buffered = (buffered + chunk).split(b"\n")
        for line in complete:
            yield line


def content_of(text: bytes) -> Manifest | str:
    """Return an object, or the words that are there instead."""
    try:
        content = decode(text)
    except ValueError:
        return text.decode(errors="replace").strip()
    return content if isinstance(content, dict) else str(content)

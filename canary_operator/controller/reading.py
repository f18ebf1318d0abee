"""kopf reads answers as our own client does: no deeper than Python can follow.

kopf lists and watches through an aiohttp session, and would end with the first object that `json`
cannot read (`adapters.cluster.nesting`).
"""

from collections.abc import AsyncGenerator
from typing import Any, Self, cast

import aiohttp
from aiohttp.connector import Connection

from canary_operator.adapters.cluster.answers import lines_of
from canary_operator.adapters.cluster.nesting import decode, shallow


class ShallowResponse(aiohttp.ClientResponse):
    """An answer of the API server, without what is nested too deep."""

    async def start(self, connection: Connection) -> Self:
        """Begin to receive."""
        await super().start(connection)
        self.content = cast("aiohttp.StreamReader", _ShallowLines(self.content))
        return self

    async def json(self, **arguments: Any) -> Any:
        """Return the whole answer, such as a list."""
        return await super().json(**arguments, loads=lambda text: decode(text.encode()))


class _ShallowLines:
    """The lines of an endless answer, such as a watch, as kopf asks for them."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, _size: int) -> AsyncGenerator[bytes, None]:
        """Yield what has arrived, line by line."""
        async for line in lines_of(self._content):
            yield shallow(line) + b"\n"

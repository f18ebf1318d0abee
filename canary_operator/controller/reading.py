"""kopf reads answers as our own client does, and meets nothing in them that would end it.

kopf lists and watches through an aiohttp session. It would end, and the operator with it, at the
first object that `json` cannot read (`adapters.cluster.nesting`), and at the first error that the
API server tells of in the middle of a watch, such as an etcd without a leader. The only such error
that it can take is that a watch goes on from what is forgotten (410): it lists again then, which is
the right answer to all of them.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any, Self, cast

import aiohttp
from aiohttp.connector import Connection

from canary_operator.adapters.cluster.answers import lines_of
from canary_operator.adapters.cluster.nesting import decode, shallow
from canary_operator.domain.foreign_text import one_line

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Before a list that follows an error in a watch: it may come again at once."""

_IS_ERROR = re.compile(rb'\s*\{\s*"type"\s*:\s*"ERROR"')
_LONGEST_WORDS = 200


class ShallowResponse(aiohttp.ClientResponse):
    """An answer of the API server, without what is nested too deep."""

    async def start(self, connection: Connection) -> Self:
        """Begin to receive."""
        await super().start(connection)
        self.content = cast("aiohttp.StreamReader", _Events(self.content))
        return self

    async def json(self, **arguments: Any) -> Any:
        """Return the whole answer, such as a list."""
        return await super().json(**arguments, loads=lambda text: decode(text.encode()))


class _Events:
    """The lines of an endless answer, such as a watch, as kopf asks for them."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, _size: int) -> AsyncGenerator[bytes, None]:
        """Yield what has arrived, line by line."""
        async for line in lines_of(self._content):
            event = shallow(line)
            if _IS_ERROR.match(event):
                event = await _as_expired(event)
            yield event + b"\n"


async def _as_expired(event: bytes) -> bytes:
    """Return an error as one of code 410, after a pause if it is another one."""
    status = decode(event)["object"]
    if status.get("code") != HTTPStatus.GONE:
        words = one_line(str(status.get("message") or status), _LONGEST_WORDS)
        logger.warning("The API server broke off a watch, so all is listed again: %s", words)
        await asyncio.sleep(PAUSE_SECONDS)
    expired = {**status, "code": int(HTTPStatus.GONE)}
    return json.dumps({"type": "ERROR", "object": expired}).encode()

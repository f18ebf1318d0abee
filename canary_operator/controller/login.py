"""kopf's watches log in as our own client does: one way to find the cluster, not two.

kopf reads credentials once, and on a 401 it closes every connection that has them. That happens
about once an hour in a pod, whose token is renewed in a file, and a watch that is closed in this
way ends kopf and with it the operator. So its session asks for the credentials of now before each
request, and a refusal is for kopf what a lost connection is: it asks again after a pause. So is a
kind of objects that is not served any more, since its CRD may come back. And a list whose pages
took too long is begun again.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import aiohttp
import kopf
from kubernetes.aio.client.configuration import Configuration
from yarl import URL

from canary_operator.adapters.cluster.connection import credentials_of, proxy_of, trust_of
from canary_operator.adapters.cluster.errors import NOT_KNOWN
from canary_operator.controller.reading import ShallowResponse
from canary_operator.controller.tracing import read_request

Login = Callable[..., Awaitable[kopf.AiohttpSession]]

_FOLLOWING = frozenset({"list", "watch"})


class RefusedError(aiohttp.ClientConnectionError):
    """The API server does not know us, for a moment or for good."""

    status = int(HTTPStatus.UNAUTHORIZED)
    """What the server answered."""

    def __init__(self) -> None:
        super().__init__(f"401: {NOT_KNOWN}")


class NotServedError(aiohttp.ClientConnectionError):
    """The API server does not know what is watched, for a moment or for good.

    kopf ends a watch for good when it is told so, with a traceback in the log. Where it follows
    CRDs, it ends the watch anyway; where it does not, only asking again finds a CRD that is back.
    """

    status = int(HTTPStatus.NOT_FOUND)
    """What the server answered."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"404: the API server does not serve {resource}. Is its CRD installed?")


class OutdatedError(aiohttp.ClientPayloadError):
    """The API server has forgotten what the pages of a list go on from.

    kopf ends when it is told so. After an answer that breaks off it lists from the beginning.
    """

    status = int(HTTPStatus.GONE)
    """What the server answered."""

    def __init__(self, resource: str) -> None:
        super().__init__(f"410: listing {resource} took too long")


def login_with(configuration: Configuration, trace: aiohttp.TraceConfig) -> Login:
    """Return kopf's login handler.

    Args:
        configuration: Where the cluster is, and who we are.
        trace: Told of every request.
    """

    async def login(**_: object) -> kopf.AiohttpSession:
        session = _open(configuration, trace)
        return kopf.AiohttpSession(server=configuration.host, aiohttp_session=session)

    return login


def _open(configuration: Configuration, trace: aiohttp.TraceConfig) -> aiohttp.ClientSession:
    server = URL(configuration.host).origin()

    async def authorize(
        request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if request.url.origin() == server:  # and not where it redirects to
            request.headers.update(await credentials_of(configuration))
        response = await send(request)
        if response.status == RefusedError.status:
            response.release()
            raise RefusedError
        asked = read_request(request.method, request.url.path, request.url.query)
        if response.status == NotServedError.status and asked.verb in _FOLLOWING:
            response.release()
            raise NotServedError(asked.resource)
        if response.status == OutdatedError.status and asked.verb == "list":
            response.release()
            raise OutdatedError(asked.resource)
        return response

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=trust_of(configuration)),
        proxy=proxy_of(configuration),
        trace_configs=[trace],
        middlewares=(authorize,),
        response_class=ShallowResponse,
    )

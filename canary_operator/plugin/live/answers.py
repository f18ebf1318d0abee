"""What answers that say no mean to a person."""

import re
from http import HTTPStatus

import aiohttp

from canary_operator.adapters.cluster.errors import Call, Refusal, error_of
from canary_operator.adapters.cluster.resources import ROLLOUTS
from canary_operator.domain.errors import UnavailableError
from canary_operator.plugin.exits import OutageError, PluginError
from canary_operator.plugin.live.login import one_line

_UNKNOWN_PATH = "404 page not found"
"""What an API server says of a group that it does not serve."""
_WEB_PAGE = re.compile(r"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
_NO_RIGHT = re.compile(
    r'\S*( "(?P<name>[^"]*)")? is forbidden: User "[^"]*" cannot (?P<verb>\S+) '
    r'resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
)
"""The sentence of RBAC; admission plugins and webhooks begin theirs in another way."""


def first_line(text: str) -> str:
    """Return what an answer says, in one line; the text of a web page says nothing."""
    if _WEB_PAGE.match(text):
        return "a web page"
    return one_line(next(iter(text.strip().splitlines()), ""))


def is_status(refusal: Refusal) -> bool:
    """Tell whether it is an answer of Kubernetes."""
    return not isinstance(refusal.body, str) and refusal.body.get("kind") == "Status"


def is_unknown_api(refusal: Refusal) -> bool:
    """Tell whether the API server does not know the kind at all."""
    if refusal.code != HTTPStatus.NOT_FOUND:
        return False
    if is_status(refusal):
        return "name" not in refusal.details
    return refusal.raw_message.strip() == _UNKNOWN_PATH


def meaning(call: Call, refusal: Refusal) -> Exception:
    """Return what a refusal by the API server itself means."""
    if refusal.code == HTTPStatus.FORBIDDEN:
        return _forbidden(call, refusal)
    if is_unknown_api(refusal) and call.resource == ROLLOUTS:
        return _crd_missing()
    error = error_of(call, refusal)
    return OutageError(one_line(error)) if isinstance(error, UnavailableError) else error


def _forbidden(call: Call, refusal: Refusal) -> PluginError:
    lacking = _NO_RIGHT.match(refusal.raw_message)
    if lacking and lacking["verb"].startswith("impersonate"):
        whom = f"{lacking['resource']} {lacking['name'] or ''}".rstrip()
        return PluginError(
            f"You may not impersonate {whom}", "Ask for the right, or leave out --as."
        )
    if lacking and _is_about(call, lacking):
        where = f" in namespace {call.namespace}" if call.namespace else " in all namespaces"
        return PluginError(
            f"You may not {call.verb} {call.counted}{where}",
            f"Ask for the right, or check it with: kubectl auth can-i {call.verb} {call.counted}"
            + (f" -n {call.namespace}" if call.namespace else " -A"),
        )
    return PluginError(f"The API server forbids to {call}: {one_line(refusal.message)}")


def _is_about(call: Call, lacking: re.Match[str]) -> bool:
    resource = "/".join(filter(None, (call.resource.plural, call.subresource)))
    asked = (call.verb, resource, call.resource.group)
    return asked == (lacking["verb"], lacking["resource"], lacking["group"])


def _crd_missing() -> PluginError:
    return PluginError(
        "This cluster does not know CanaryRollouts: their CRD is not installed",
        "Install the operator, or at least: kubectl apply -f crds/",
    )


def cause(error: Exception) -> str:
    """Return why no answer came."""
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, aiohttp.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, aiohttp.InvalidURL):
        return "this is no address"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted ({one_line(error.certificate_error)})"
    if isinstance(error, aiohttp.ClientConnectorError):
        return one_line(error.os_error.strerror or error.os_error).lower()
    return one_line(error) or type(error).__name__

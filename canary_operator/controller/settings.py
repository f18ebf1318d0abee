"""How kopf is told to behave: watch only, write nothing, be quick."""

from collections.abc import Iterable

import kopf

from canary_operator.controller.handlers import Watched

REQUEST_TIMEOUT_SECONDS = 30.0
RECONNECT_SECONDS = (0.2, 0.5, 1, 2, 5)
"""Pauses after a failed request of a watch; then kopf starts over, and so does this list."""
IDLE_SECONDS = 1.0
"""How long kopf keeps a worker for an object that is quiet; thousands of idle ones cost memory."""


def kopf_settings(watched: Iterable[Watched], *, cluster_wide: bool) -> kopf.OperatorSettings:
    """Return kopf's settings for an operator that only watches through kopf.

    An operator for some namespaces may have Roles only, so it does not ask for what is known to
    the whole cluster: CRDs that are installed later are seen by its next start.
    """
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = not cluster_wide
    settings.posting.enabled = False
    settings.networking.request_timeout = REQUEST_TIMEOUT_SECONDS
    settings.networking.error_backoffs = RECONNECT_SECONDS
    settings.queueing.idle_timeout = IDLE_SECONDS
    for resource in watched:
        if resource.selector:
            settings.watching.label_selectors[resource.name] = resource.selector
    return settings

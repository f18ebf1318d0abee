"""A Kubernetes API server in one asyncio process: the playground's cluster and the test bed.

`EmbeddedAPI` serves it; `Fault` describes what is to go wrong. The likeness to the real server is
tested by one contract suite that runs against both (`tests/contract`).
"""

from canary_operator.playground.api.auth import User, service_account
from canary_operator.playground.api.embedded import EmbeddedAPI
from canary_operator.playground.api.faults import Fault
from canary_operator.playground.api.requests import Request

__all__ = ["EmbeddedAPI", "Fault", "Request", "User", "service_account"]

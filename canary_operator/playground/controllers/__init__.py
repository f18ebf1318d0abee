"""Controllers of the playground: what makes an API server behave like a cluster.

async with Client(api.url) as client, Controllers(client, runtime=ProcessRuntime()) as cluster:
    cluster.kubelet.fail("app=web", Fault.CRASH)
"""

from canary_operator.playground.controllers.bundle import Controllers
from canary_operator.playground.controllers.instant import InstantRuntime
from canary_operator.playground.controllers.kubelet import Kubelet
from canary_operator.playground.controllers.process import ProcessRuntime
from canary_operator.playground.controllers.runtime import (
    PORT_ANNOTATION,
    Backoff,
    Fault,
    PodRuntime,
    RunningPod,
)

__all__ = [
    "PORT_ANNOTATION",
    "Backoff",
    "Controllers",
    "Fault",
    "InstantRuntime",
    "Kubelet",
    "PodRuntime",
    "ProcessRuntime",
    "RunningPod",
]

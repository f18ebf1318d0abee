"""A cluster in one process: API server, controllers, mesh, Prometheus and the operator.

Everything that serves or measures is real: Envoy carries real requests to server processes,
Prometheus scrapes what Envoy saw, and the operator is the one that runs in clusters. The API
server is ours, and so is what makes pods of Deployments.
"""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

import yaml

from canary_operator.crd import custom_resource_definition
from canary_operator.playground.api import EmbeddedAPI
from canary_operator.playground.autoscaler import Autoscaler, rates_of
from canary_operator.playground.client import NAMESPACES, Client, Manifest, Resource
from canary_operator.playground.controllers import Controllers, ProcessRuntime
from canary_operator.playground.mesh import Mesh
from canary_operator.playground.operator_process import OperatorProcess
from canary_operator.playground.pod_targets import PodTargets
from canary_operator.playground.prometheus import Prometheus

ROLLOUTS = Resource("canaryrollouts", "canary-operator.dev", "v1alpha1")
DEFINITIONS = Resource("customresourcedefinitions", "apiextensions.k8s.io", namespaced=False)
ISTIO_DEFINITIONS = Path(__file__).parent / "crds"


def definitions(*, istio: bool = True) -> list[Manifest]:
    """Return the CustomResourceDefinitions that a cluster for the operator has.

    Args:
        istio: Whether Istio's are among them.
    """
    files = sorted(ISTIO_DEFINITIONS.glob("*.yaml")) if istio else []
    theirs: list[Manifest] = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in files]
    return [custom_resource_definition(), *theirs]


class LocalCluster:
    """Start with `async with`; everything ends, and every file goes, with it."""

    def __init__(self, directory: Path, namespace: str, *, istio: bool = True) -> None:
        """Remember where files go.

        Args:
            directory: An existing folder for files of all parts; the caller removes it.
            namespace: Made at the start, for the rollout.
            istio: Whether Istio is installed. Without it Envoy balances each Service over its
                pods, in kube-proxy's place.
        """
        self._istio = istio
        self.namespace = namespace
        self.kubeconfig = directory / "kubeconfig"
        self._directory = directory
        self._stack = AsyncExitStack()
        self.api = EmbeddedAPI()
        self.client: Client
        self.controllers: Controllers
        self.mesh: Mesh
        self.prometheus: Prometheus
        self.operator: OperatorProcess

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.api)
            self.api.write_kubeconfig(self.kubeconfig, namespace=self.namespace)
            self.client = await stack.enter_async_context(Client(self.api.url))
            await self._populate()
            self.controllers = await stack.enter_async_context(
                Controllers(self.client, runtime=ProcessRuntime())
            )
            self.mesh = await stack.enter_async_context(Mesh(self.client, self._folder("mesh")))
            targets = PodTargets(self.client, self._directory / "pods.json")
            await stack.enter_async_context(targets)
            self.prometheus = await stack.enter_async_context(
                Prometheus(
                    self._folder("prometheus"), [self.mesh.metrics_target], pods=targets.file
                )
            )
            await stack.enter_async_context(Autoscaler(self.client, rates_of(self.prometheus)))
            self.operator = await stack.enter_async_context(
                OperatorProcess(
                    self.kubeconfig, self.prometheus.url, self._directory / "operator.log"
                )
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _populate(self) -> None:
        await self.client.create(NAMESPACES, {"metadata": {"name": self.namespace}})
        for definition in definitions(istio=self._istio):
            await self.client.create(DEFINITIONS, definition)

    def _folder(self, name: str) -> Path:
        folder = self._directory / name
        folder.mkdir()
        return folder

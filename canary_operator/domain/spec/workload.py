"""A Deployment that the pods of a rollout are taken from."""

from typing import Annotated, Literal

from canary_operator.domain.spec.kinds import text
from canary_operator.domain.spec.schema import Written

DEPLOYMENT_NAME = text(
    "the name of a Deployment in the same namespace",
    253,
    "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
)


class WorkloadRef(Written):
    """A Deployment of the same namespace; a change of its template starts a rollout."""

    api_version: Literal["apps/v1"] = "apps/v1"
    """Version of its API; apps/v1 when left out."""

    kind: Literal["Deployment"] = "Deployment"
    """Only a Deployment has such a template; Deployment when left out."""

    name: Annotated[str, DEPLOYMENT_NAME]
    """Name of the Deployment."""

    scale_down: Literal["OnSuccess", "Never"] = "OnSuccess"
    """What becomes of its own pods once stable serves in their place: `OnSuccess` scales it to
    zero, `Never` leaves it; `OnSuccess` when left out."""

    @property
    def scales_down(self) -> bool:
        """Whether its own pods go when stable serves in their place."""
        return self.scale_down == "OnSuccess"

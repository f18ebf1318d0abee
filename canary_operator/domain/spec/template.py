"""The pod template of a rollout: checked at the top, everything below is the API server's."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from canary_operator.domain.spec.kinds import dns_label, labels, text
from canary_operator.domain.spec.schema import (
    KEYED_BY_NAME,
    Open,
    Written,
    plain,
    unique,
)

RESERVED_PREFIX = "canary-operator.dev/"
"""Labels that tell the operator's pods apart; a template may not set them."""


Labels = Annotated[Mapping[str, str], labels(RESERVED_PREFIX)]
Annotations = Annotated[Mapping[str, str], labels()]


class TemplateMetadata(Open):
    """Labels and annotations of the pods."""

    labels: Labels = Field(default_factory=dict)
    """Labels of the pods; those of the operator are added."""

    annotations: Annotations = Field(default_factory=dict)
    """Annotations of the pods."""


class Container(Open):
    """One container; every field of a Kubernetes container is allowed."""

    name: Annotated[str, dns_label()]
    """Name, unique in the pod."""

    image: Annotated[str, text("the name of an image", 1024)]
    """Image to run."""


class PodSpec(Open):
    """What the pods run; every field of a Kubernetes pod spec is allowed."""

    rules = (unique("containers", "name"),)

    containers: Annotated[
        tuple[Container, ...],
        Field(
            min_length=1,
            max_length=100,
            json_schema_extra=KEYED_BY_NAME,
        ),
    ]
    """Containers of the pods."""

    restart_policy: Literal["Always"] = "Always"
    """A Deployment restarts its pods always."""


class PodTemplate(Written):
    """The pods of the service, as in a Deployment. A change here starts a rollout."""

    metadata: TemplateMetadata = TemplateMetadata()
    """Labels and annotations of the pods."""

    spec: PodSpec
    """What the pods run."""

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_raw(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        template = handler(value)
        if isinstance(value, Mapping):
            template._raw = plain(value)  # noqa: SLF001 - of the same class
        return template

    @property
    def raw(self) -> Mapping[str, Any]:
        """The template exactly as the user wrote it; not to be changed."""
        return self._raw

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels that the user gave the pods."""
        return self.metadata.labels

    @property
    def annotations(self) -> Mapping[str, str]:
        """Annotations that the user gave the pods."""
        return self.metadata.annotations


NO_PODS = PodTemplate.model_construct(spec=PodSpec.model_construct(containers=()))
"""In the place of a template that nobody there asks for."""

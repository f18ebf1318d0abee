"""Containers of a pod template, with their places; nothing below them is taken for granted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.domain.spec.schema import Place

POD: Place = ("spec", "template", "spec")


@dataclass(frozen=True, slots=True)
class ContainerAt:
    """One container."""

    place: Place
    fields: Mapping[str, Any]
    initial: bool
    """Whether it only prepares the pod."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.fields.get("name"))

    @property
    def image(self) -> str:
        """Its image."""
        return str(self.fields.get("image"))

    def entries(self, field: str) -> Iterator[tuple[Place, Any]]:
        """Yield the entries of a list, with their places."""
        found = self.fields.get(field)
        for index, entry in enumerate(found if isinstance(found, list) else ()):
            yield (*self.place, field, index), entry


def containers_of(template: Mapping[str, Any]) -> Iterator[ContainerAt]:
    """Yield the containers of a pod template, those that prepare the pod last."""
    for place, one in _entries(template):
        if isinstance(one, Mapping) and isinstance(place[-1], int):
            yield ContainerAt(place, one, "initContainers" in place)


def odd_containers(template: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Yield what stands among the containers, or instead of their list, and is none."""
    for place, one in _entries(template):
        if not isinstance(one, Mapping) or not isinstance(place[-1], int):
            yield place, one


def _entries(template: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    pod = template.get("spec") or {}
    for field in ("containers", "initContainers"):
        several = pod.get(field) or []
        if isinstance(several, list):
            yield from (((*POD, field, index), one) for index, one in enumerate(several))
        else:
            yield (*POD, field), several

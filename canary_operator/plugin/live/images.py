"""Images of a pod template: which ones a person wants changed, and the patch for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from canary_operator.adapters.cluster.answers import Manifest
from canary_operator.adapters.cluster.errors import NotFoundError, RejectedError
from canary_operator.adapters.cluster.resources import ROLLOUTS
from canary_operator.domain.errors import ConflictError
from canary_operator.domain.workload import referenced_name
from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.live.access import Cluster
from canary_operator.plugin.live.rollouts import find
from canary_operator.plugin.sight import Sight

EVERY = "*"
LISTS = ("containers", "initContainers")
TEMPLATE = "/spec/template"


@dataclass(frozen=True, slots=True)
class ImageChange:
    """One container that gets another image."""

    container: str
    old: str
    new: str
    path: str
    """Of the container, as a JSON pointer."""

    @property
    def words(self) -> tuple[str, str, str]:
        """Container, old and new image: what a person means, wherever it stands."""
        return self.container, self.old, self.new


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What a rollout looks like, and which images are to change in it."""

    sight: Sight
    changes: tuple[ImageChange, ...]

    @property
    def template(self) -> Manifest:
        """The pod template with the new images."""
        new = {change.path: change.new for change in self.changes}
        template = template_of(self.sight)
        pod = dict(template["spec"])
        for place, index, one in _containers(template):
            image = new.get(_path(place, index))
            if image is not None:
                changed = {**one, "image": image}
                pod[place] = [*pod[place][:index], changed, *pod[place][index + 1 :]]
        return {**template, "spec": pod}

    @property
    def operations(self) -> list[Manifest]:
        """The JSON Patch, which does nothing where one of the containers is another one by now."""
        return [
            {"op": "test", "path": "/metadata/uid", "value": self.sight.uid},
            *(operation for change in self.changes for operation in _operations(change)),
        ]


def template_of(sight: Sight) -> Mapping[str, Any]:
    """Return the pod template as it was applied last.

    Raises:
        PluginError: it stands in a Deployment, which is somebody else's to change.
    """
    name = referenced_name(sight.raw.get("spec") or {})
    if name is not None:
        raise PluginError(
            f"{sight.name} takes its pods from Deployment {name}",
            f"Change them there: kubectl set image deployment/{name} CONTAINER=IMAGE, "
            f"or go back: kubectl rollout undo deployment/{name}.",
            Exit.FAILED,
        )
    template: Mapping[str, Any] = (sight.raw.get("spec") or {}).get("template") or {}
    return template


def plan_images(sight: Sight, wishes: Mapping[str, str]) -> ImagePlan:
    """Return which images change.

    Args:
        sight: The rollout.
        wishes: Image by name of container; `*` is all of them.

    Raises:
        PluginError: there is no container of that name.
    """
    template = template_of(sight)
    known = [_name(one) for _, _, one in _containers(template)]
    unknown = [name for name in wishes if name != EVERY and name not in known]
    if unknown:
        raise PluginError(
            f"{sight.name} has no container {', '.join(unknown)}",
            f"It has: {', '.join(known) or 'none'}.",
            Exit.FAILED,
        )
    return ImagePlan(sight, tuple(_changes(template, wishes)))


def _changes(template: Mapping[str, Any], wishes: Mapping[str, str]) -> Iterator[ImageChange]:
    for place, index, one in _containers(template):
        name, old = _name(one), one.get("image") or ""
        new = wishes.get(name, wishes.get(EVERY, old))
        if new != old:
            yield ImageChange(name, old, new, _path(place, index))


def _containers(template: Mapping[str, Any]) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield each container with its place; what is none is for the operator to refuse."""
    spec = template.get("spec")
    pod: Mapping[str, Any] = spec if isinstance(spec, Mapping) else {}
    for place in LISTS:
        found = pod.get(place)
        for index, one in enumerate(found if isinstance(found, list) else ()):
            if isinstance(one, Mapping):
                yield place, index, one


def _name(container: Mapping[str, Any]) -> str:
    name = container.get("name")
    return name if isinstance(name, str) else ""


def _path(place: str, index: int) -> str:
    return f"{TEMPLATE}/spec/{place}/{index}"


def _operations(change: ImageChange) -> Iterator[Manifest]:
    yield {"op": "test", "path": f"{change.path}/name", "value": change.container}
    if change.old:
        yield {"op": "test", "path": f"{change.path}/image", "value": change.old}
    yield {"op": "add", "path": f"{change.path}/image", "value": change.new}


async def set_images(cluster: Cluster, plan: ImagePlan, wishes: Mapping[str, str]) -> ImagePlan:
    """Change the images; return the plan that was carried out in the end.

    Raises:
        PluginError: somebody else changed them meanwhile, or the server does not take it.
    """
    while True:
        sight = plan.sight
        try:
            await cluster.patch(ROLLOUTS, sight.namespace, sight.name, plan.operations)
        except (ConflictError, NotFoundError, RejectedError) as error:
            plan = _again(plan, plan_images(await find(cluster, sight.name), wishes), error)
        else:
            return plan


def _again(before: ImagePlan, now: ImagePlan, error: Exception) -> ImagePlan:
    """Return the newer plan, if it does the same to an object that changed elsewhere."""
    same = {one.words for one in before.changes} == {one.words for one in now.changes}
    if now.sight.uid != before.sight.uid or not same:
        raise PluginError(
            f"The images of {now.sight.name} were changed by somebody else meanwhile",
            "Nothing was changed; look again.",
            Exit.FAILED,
        )
    if isinstance(error, RejectedError) and now.operations == before.operations:
        raise PluginError(f"The API server refuses: {error.message}", code=Exit.FAILED)
    return now

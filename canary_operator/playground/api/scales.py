"""The Scale of an object: its replicas, wanted and found, in the shape that every scaler reads."""

from canary_operator.playground.api.errors import APIError, no_such_path
from canary_operator.playground.api.kinds import Resource, ScalePaths
from canary_operator.playground.api.objects import Object, dig
from canary_operator.playground.api.printers import selector_text


def read_scale(obj: Object, resource: Resource) -> Object:
    """Return the Scale of an object for who asks for it.

    Raises:
        APIError: a custom object says no number (500, as on the real server); one may be given.
    """
    paths = resource.scale
    if paths and resource.custom and dig(obj, *paths.replicas) is None:
        field = f'"{"".join(f".{name}" for name in paths.replicas)}"'
        message = f"the spec replicas field {field} does not exist"
        details = {"causes": [{"message": message}]}
        raise APIError(500, "InternalError", f"Internal error occurred: {message}", details)
    return scale_of(obj, resource)


def scale_of(obj: Object, resource: Resource) -> Object:
    """Return the Scale of an object."""
    paths = resource.scale
    if paths is None:
        raise no_such_path()
    meta = obj["metadata"]
    shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Object = {"replicas": dig(obj, *paths.status, default=0)}
    selector = _scale_selector(obj, paths, resource)
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in shown if name in meta},
        "spec": {"replicas": dig(obj, *paths.replicas, default=0)},
        "status": status,
    }


def _scale_selector(obj: Object, paths: ScalePaths, resource: Resource) -> str:
    if resource.custom:
        return str(dig(obj, *paths.selector, default="")) if paths.selector else ""
    return selector_text(dig(obj, "spec", "selector"))

"""Pods: what may change after they were made, beside the rules of every pod spec."""

import json
from collections.abc import Iterator

from canary_operator.playground.api.builtin.pod_checks import check_spec
from canary_operator.playground.api.errors import Cause, forbidden_field, invalid
from canary_operator.playground.api.objects import Object, same

MUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)


def check(obj: Object) -> Iterator[Cause]:
    """Iterate over what is wrong with a pod."""
    yield from check_spec(obj["spec"], "spec")
    for index, container in enumerate(obj["spec"].get("containers") or ()):
        image = container.get("image", "")
        if image != image.strip():
            path = f"spec.containers[{index}].image"
            yield invalid(path, image, "must not have leading or trailing whitespace")


def check_update(new: Object, old: Object) -> Iterator[Cause]:
    """Iterate over what an update of a pod may not change."""
    if not same(_fixed(new["spec"]), _fixed(old["spec"])):
        difference = json.dumps(sorted(_changed(new["spec"], old["spec"])))
        yield forbidden_field("spec", f"{MUTABLE}\n{difference}\n")


def _fixed(spec: Object) -> Object:
    out = {k: v for k, v in spec.items() if k not in ("tolerations", "activeDeadlineSeconds")}
    for name in ("containers", "initContainers"):
        if name in out:
            kept = ({k: v for k, v in c.items() if k != "image"} for c in out[name])
            out[name] = list(kept)
    return out


def _changed(new: Object, old: Object) -> Iterator[str]:
    fixed_new, fixed_old = _fixed(new), _fixed(old)
    for name in fixed_new.keys() | fixed_old.keys():
        if not same(fixed_new.get(name), fixed_old.get(name)):
            yield name

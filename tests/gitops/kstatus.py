"""kstatus' rules for a custom resource, written anew from its documentation and its code.

Flux, `kpt`, Config Sync and others ask the library kstatus whether an object is what its manifest
asks for. What it looks at, in this order:

1. `metadata.deletionTimestamp` is set: Terminating.
2. `status.observedGeneration` is there and is not `metadata.generation`: InProgress. So -1, which
   no generation ever is, means "nobody looked yet".
3. The first condition in the list that is `Reconciling` or `Stalled` with status True: InProgress
   or Failed.
4. The condition `Ready`: Current if it is True, else InProgress.
5. Nothing of these: Current. An object whose controller never ran looks finished.

Sources, in https://github.com/kubernetes-sigs/cli-utils/tree/5895ad6/pkg/kstatus: README.md
("Conditions", "The Ready Condition") and, for the order, `Compute` in `status/status.go` with
`checkGenericProperties` in `status/generic.go`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class KStatus(StrEnum):
    """What kstatus says of an object."""

    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"
    TERMINATING = "Terminating"


_ABNORMAL = {"Reconciling": KStatus.IN_PROGRESS, "Stalled": KStatus.FAILED}


def kstatus(manifest: Mapping[str, Any]) -> KStatus:
    """Return what kstatus says of a custom resource."""
    meta, status = manifest["metadata"], manifest.get("status") or {}
    if meta.get("deletionTimestamp"):
        return KStatus.TERMINATING
    observed = status.get("observedGeneration")
    if "generation" in meta and observed is not None and observed != meta["generation"]:
        return KStatus.IN_PROGRESS
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] in _ABNORMAL and condition["status"] == "True":
            return _ABNORMAL[condition["type"]]
    ready = (c["status"] == "True" for c in conditions if c["type"] == "Ready")
    return KStatus.CURRENT if next(ready, True) else KStatus.IN_PROGRESS

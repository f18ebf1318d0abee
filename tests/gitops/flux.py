"""How Flux judges an object with health check expressions.

After `Evaluate` in `runtime/cel/status_evaluator.go` of https://github.com/fluxcd/pkg/tree/e2cfd1a:
a generation that was not observed is InProgress; then `inProgress`, `failed` and `current` in this
order; none of them is InProgress. An expression that cannot be evaluated is an error, with which
Flux waits until its timeout.
"""

from collections.abc import Mapping
from typing import Any

import celpy
from celpy.adapter import json_to_cel

from tests.gitops.kstatus import KStatus

ORDER = {
    "inProgress": KStatus.IN_PROGRESS,
    "failed": KStatus.FAILED,
    "current": KStatus.CURRENT,
}
_ENVIRONMENT = celpy.Environment()


class Check:
    """One entry of `spec.healthCheckExprs`."""

    def __init__(self, entry: Mapping[str, str]) -> None:
        self._programs = {
            status: _ENVIRONMENT.program(_ENVIRONMENT.compile(entry[field]))
            for field, status in ORDER.items()
            if field in entry
        }

    def __call__(self, manifest: Mapping[str, Any]) -> KStatus:
        """Return what Flux says of an object."""
        status = manifest.get("status") or {}
        observed = status.get("observedGeneration")
        if observed is not None and observed != manifest["metadata"]["generation"]:
            return KStatus.IN_PROGRESS
        known = {key: json_to_cel(value) for key, value in manifest.items()}
        for result, program in self._programs.items():
            if program.evaluate(known):
                return result
        return KStatus.IN_PROGRESS

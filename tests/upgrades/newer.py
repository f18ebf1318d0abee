"""A newer version of the operator and of its CRD, next to the present one."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from canary_operator.playground.client import APPLY, MERGE
from canary_operator.playground.local import ROLLOUTS
from canary_operator.playground.operator_process import OperatorProcess
from tests.support.bed import Bed, Release
from tests.support.clusters import DEFINITION_FOLDERS, DEFINITIONS, eventually
from tests.upgrades.newer_operator import DEFAULT, FIELD

CRD = DEFINITION_FOLDERS[0] / "canaryrollouts.yaml"
PROGRAM = Path(__file__).with_name("newer_operator.py")


class NewerOperator(OperatorProcess):
    """The operator of a version whose models have one more field."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        module = self._command.index("-m")
        self._command[module : module + 2] = [str(PROGRAM)]


def present_definition() -> dict[str, Any]:
    """Return the CRD as it is."""
    definition: dict[str, Any] = yaml.safe_load(CRD.read_text())
    return definition


def newer_definition(*, server_fills_in: bool) -> dict[str, Any]:
    """Return the CRD with one more optional field at three depths.

    Args:
        server_fills_in: Whether the schema has a default, which the API server then shows in
            every object that is stored, without anybody having written it.
    """
    definition = deepcopy(present_definition())
    field = {"type": "string", "maxLength": 20}
    if server_fills_in:
        field["default"] = DEFAULT
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]["properties"]
    metric = spec["analysis"]["properties"]["metrics"]["items"]
    for part in (spec["strategy"], spec["analysis"], metric):
        part["properties"][FIELD] = field
    return definition


async def serve(bed: Bed, definition: dict[str, Any], witness: Release) -> None:
    """Replace the CRD and wait until the API server goes by it.

    Args:
        bed: Where.
        definition: The CRD.
        witness: A rollout whose spec has every part that the newer CRD extends.
    """
    name = definition["metadata"]["name"]
    query = {"fieldManager": "tests", "force": "true"}
    await bed.client.patch(DEFINITIONS, name, definition, ctype=APPLY, **query)
    knows = FIELD in str(definition)
    fills_in = f"'default': '{DEFAULT}'" in str(definition)

    async def obeyed() -> bool:
        body = {"spec": {"strategy": {FIELD: "slow"}}}
        where = (ROLLOUTS, witness.name, body, witness.namespace)
        tried = await bed.client.patch(*where, ctype=MERGE, dryRun="All")
        stored = (await witness.get())["spec"]
        return (FIELD in tried["spec"]["strategy"]) == knows and all(
            (FIELD in part) == fills_in
            for part in (stored["strategy"], stored["analysis"], stored["analysis"]["metrics"][0])
        )

    await eventually(obeyed)

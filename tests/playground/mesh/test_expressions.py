"""Every regular expression that a spec may have is one that real Envoy takes."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from canary_operator.playground.daemon import find_program
from canary_operator.playground.mesh.bootstrap import ISTIOS_RUNTIME
from tests.domain.test_re2 import GOOD

MANAGER = "envoy.filters.network.http_connection_manager"
ROUTER = "envoy.filters.http.router"


def configuration(expressions: tuple[str, ...]) -> dict[str, Any]:
    """Return a listener with a route for each expression."""
    routes = [
        {"match": {"safe_regex": {"regex": one}}, "direct_response": {"status": 200}}
        for one in expressions
    ]
    types = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "all",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {"name": ROUTER, "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
        ],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chain = {"filters": [{"name": MANAGER, "typed_config": manager}]}
    listener = {"name": "all", "address": address, "filter_chains": [chain]}
    layer = {"name": "istio", "static_layer": ISTIOS_RUNTIME}
    return {
        "static_resources": {"listeners": [listener]},
        "layered_runtime": {"layers": [layer]},
    }


async def complaint(folder: Path, *expressions: str) -> str:
    """Return why Envoy does not take a configuration; nothing if it does."""
    file = folder / "envoy.json"
    file.write_text(json.dumps(configuration(expressions)))
    program = find_program("envoy", "", Path(sys.executable).parent)
    options = ("--mode", "validate", "--config-path", file, "--log-level", "error")
    process = await asyncio.create_subprocess_exec(
        program,
        *map(str, options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode() if process.returncode else ""


async def test_envoy_takes_what_a_spec_may_have(tmp_path: Path) -> None:
    assert await complaint(tmp_path, *(one for one in GOOD if one)) == ""


@pytest.mark.parametrize(
    "expression", ["(?=a)", r"(a)\1", "a**", "[z-a]", r"[\pL\pN\pS]{1000}" * 4]
)
async def test_envoy_refuses_a_whole_configuration_for_one_wrong_expression(
    tmp_path: Path, expression: str
) -> None:
    assert "error initializing configuration" in await complaint(tmp_path, "fine", expression)

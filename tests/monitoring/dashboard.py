"""The dashboard as data: its panels and the queries that it asks."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.monitoring.alerts import FILES

DASHBOARD: Mapping[str, Any] = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
VARIABLES: list[dict[str, Any]] = DASHBOARD["templating"]["list"]
ANNOTATIONS = [one for one in DASHBOARD["annotations"]["list"] if not one.get("builtIn")]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def targets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each query of a panel, with a name."""
    for panel in PANELS:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target


QUERIES = {name: target["expr"] for name, target in targets()} | {
    f"annotation {one['name']}": one["expr"] for one in ANNOTATIONS
}


def filled_in(expression: str, **values: str) -> str:
    """Return an expression as Grafana sends it."""
    known = {"namespace": ".*", "rollout": ".*", "__rate_interval": "5m", "__range": "1h", **values}
    return re.sub(r"\$(\w+)", lambda found: known[found[1]], expression)

"""The dashboard can be imported anywhere."""

import itertools
import json
import re
from typing import Any

import pytest

from canary_operator.adapters.telemetry.operator import OperatorTelemetry
from tests.monitoring.alerts import PREFIX
from tests.monitoring.dashboard import (
    ANNOTATIONS,
    DASHBOARD,
    PANELS,
    QUERIES,
    SOURCE,
    VARIABLES,
    targets,
)
from tests.monitoring.names import names


def test_each_panel_has_an_id_of_its_own() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in PANELS]
    assert len(set(titles)) == len(titles)


def covers(panel: dict[str, Any]) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    columns, lines = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
    return set(itertools.product(columns, lines))


def test_no_panels_overlap_and_all_are_within_the_grid() -> None:
    for one, other in itertools.combinations(PANELS, 2):
        assert not covers(one) & covers(other), (one["title"], other["title"])
    assert {column for panel in PANELS for column, _ in covers(panel)} == set(range(24))


def test_it_fits_any_data_source() -> None:
    for panel in PANELS:
        if panel["type"] != "row":
            assert panel["datasource"] == SOURCE, panel["title"]
    assert all(target["datasource"] == SOURCE for _, target in targets())
    assert all(one["datasource"] == SOURCE for one in ANNOTATIONS)
    assert VARIABLES[0]["type"] == "datasource"
    assert all(one["datasource"] == SOURCE for one in VARIABLES[1:])
    assert "__inputs" not in DASHBOARD
    assert "id" not in DASHBOARD


def test_every_variable_that_is_used_is_known() -> None:
    known = {one["name"] for one in VARIABLES} | {"__rate_interval", "__range"}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used - {"__all"} <= known
    assert {"datasource", "namespace", "rollout"} <= used


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_about_rollouts_follows_the_selection(name: str) -> None:
    own = "rollout_[a-z_]+|checks_total|promotions_total|rollbacks_total"
    named = re.findall(rf"{PREFIX}(?:{own})\b(\{{[^}}]*\}})?", QUERIES[name])
    for selectors in named:
        assert 'namespace=~"$namespace",rollout=~"$rollout"' in selectors


def test_it_shows_every_metric() -> None:
    shown = re.findall(rf"{PREFIX}\w+", " ".join(QUERIES.values()))
    families = {re.sub("_bucket$", "", name) for name in shown}
    assert families == set(names(OperatorTelemetry("1").registry))

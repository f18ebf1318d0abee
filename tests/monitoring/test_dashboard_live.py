"""The dashboard shows what a real operator tells a real Prometheus."""

import re
from math import isnan
from typing import Any

import pytest

from tests.monitoring.conftest import Watched
from tests.monitoring.dashboard import QUERIES, VARIABLES, filled_in

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.xdist_group("monitoring")]


@pytest.mark.parametrize("name", QUERIES)
async def test_every_query_shows_something_after_a_rollout(watched: Watched, name: str) -> None:
    """Prometheus itself says whether it is a query, and what it knows."""
    found = await watched.prometheus.query(filled_in(QUERIES[name]))
    assert found
    assert not all(isnan(sample.value) for sample in found)


@pytest.mark.parametrize("variable", VARIABLES[1:], ids=lambda one: one["name"])
async def test_variables_offer_what_there_is(watched: Watched, variable: dict[str, Any]) -> None:
    query = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
    assert query
    found = await watched.prometheus.query(filled_in(query[1]))
    values = {sample.labels[query[2]] for sample in found}
    assert values == {
        getattr(one, {"rollout": "name"}.get(query[2], query[2])) for one in watched.all
    }


async def test_a_selection_leaves_the_others_out(watched: Watched) -> None:
    expression = QUERIES["Weight of the canary A"]
    found = await watched.prometheus.query(filled_in(expression, rollout="good"))
    assert [sample.labels["rollout"] for sample in found] == ["good"]


async def test_the_table_has_a_line_for_each_rollout(watched: Watched) -> None:
    columns = [QUERIES[f"Each rollout {column}"] for column in "ABCDE"]
    for column in columns:
        found = await watched.prometheus.query(filled_in(column))
        assert len(found) == len(watched.all), column

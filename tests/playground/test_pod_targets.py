"""Which pods Prometheus is told to scrape."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from canary_operator.adapters.cluster.feed import Change, ChangeKind
from canary_operator.playground.client import Resource
from canary_operator.playground.pod_targets import PodTargets, targets_of
from tests.support.clusters import eventually

ASKS = {"prometheus.io/scrape": "true"}


def pod(name: str = "web-0", ip: str | None = "127.70.0.1", **annotations: str) -> dict[str, Any]:
    labels = {"app": "web", "canary-operator.dev/track": "canary"}
    meta = {"name": name, "namespace": "demo", "uid": name, "labels": labels}
    return {
        "metadata": {**meta, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 8080}]}]},
        "status": {"podIP": ip} if ip else {},
    }


def test_a_pod_that_asks_for_it_is_a_target_with_its_labels() -> None:
    (target,) = targets_of([pod(**ASKS)])
    assert target["targets"] == ["127.70.0.1:8080"]
    assert target["labels"] == {
        "app": "web",
        "canary_operator_dev_track": "canary",
        "namespace": "demo",
        "pod": "web-0",
    }


def test_it_is_scraped_where_it_really_listens() -> None:
    (target,) = targets_of([pod(**ASKS, **{"playground.canary-operator.dev/port": "3000"})])
    assert target["targets"] == ["127.70.0.1:3000"]


def test_others_are_left_alone() -> None:
    assert targets_of([pod(), pod(ip=None, **ASKS), pod(**{"prometheus.io/scrape": "no"})]) == []


class Scripted:
    """A cluster in which things happen as they are told."""

    def __init__(self, *changes: Change) -> None:
        self.changes = changes

    async def watch(self, resource: Resource) -> AsyncGenerator[Change, None]:
        assert resource.plural == "pods"
        for change in self.changes:
            yield change


async def test_the_file_follows_the_pods(tmp_path: Path) -> None:
    first, second = pod("a", **ASKS), pod("b", **ASKS)
    changes = (
        Change(ChangeKind.ADDED, first),
        Change(ChangeKind.SYNCED, {}),
        Change(ChangeKind.ADDED, second),
        Change(ChangeKind.DELETED, first),
    )
    async with PodTargets(Scripted(*changes), tmp_path / "pods.json") as targets:

        async def followed() -> bool:
            found = json.loads(targets.file.read_text())
            return [each["labels"]["pod"] for each in found] == ["b"]

        await eventually(followed)

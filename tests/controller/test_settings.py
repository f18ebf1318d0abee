"""How kopf is told to behave."""

from itertools import islice
from typing import Any

import kopf
import pytest

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.controller.settings import (
    PAGE,
    RECONNECT_SECONDS,
    NothingRemembered,
    kopf_settings,
)
from canary_operator.wiring import followed


@pytest.fixture
def settings() -> object:
    return kopf_settings(followed(Caches()), cluster_wide=True)


def test_pauses_between_tries_never_end(settings: object) -> None:
    pauses = settings.networking.error_backoffs  # type: ignore[attr-defined]
    for _ in range(2):  # every request begins from the first one
        found = list(islice(pauses, 100))
        assert tuple(found[:5]) == RECONNECT_SECONDS
        assert set(found[5:]) == {RECONNECT_SECONDS[-1]}
    assert not hasattr(pauses, "__len__")  # kopf takes what has a length for finite


def test_kopf_writes_nothing(settings: object) -> None:
    assert not settings.posting.enabled  # type: ignore[attr-defined]


def test_kopf_copies_no_object_to_compare_it(settings: object) -> None:
    kept = settings.persistence  # type: ignore[attr-defined]
    body = kopf.Body({"metadata": {"annotations": {}}, "spec": {"replicas": 1}})
    assert kept.diffbase_storage.fetch(body=body) is None
    essence = kept.diffbase_storage.build(body=body, extra_fields=())
    assert kept.progress_storage.clear(essence=essence) == {}


async def test_kopf_remembers_no_object() -> None:
    memories = NothingRemembered()
    body: Any = {"metadata": {"uid": "u1"}}
    for _ in range(2):
        memory = await memories.recall(body, noticed_by_listing=True, memobase=None)
        assert memory.noticed_by_listing
        assert not list(memories.iter_all_memories())
    await memories.forget(body)


def test_kopf_never_holds_all_objects_at_once(settings: object) -> None:
    assert settings.watching.chunk_size == PAGE  # type: ignore[attr-defined]
    assert not settings.watching.initial_streaming  # type: ignore[attr-defined]


@pytest.mark.parametrize("cluster_wide", [True, False])
def test_only_an_operator_for_all_namespaces_asks_the_whole_cluster(cluster_wide: bool) -> None:
    found = kopf_settings((), cluster_wide=cluster_wide)
    assert found.scanning.disabled is not cluster_wide


def test_what_we_own_is_watched_by_label(settings: object) -> None:
    selectors = settings.watching.label_selectors  # type: ignore[attr-defined]
    assert selectors["deployments.apps"] == "canary-operator.dev/rollout"
    assert selectors["pods"] == "canary-operator.dev/rollout"
    assert "canaryrollouts.canary-operator.dev" not in selectors

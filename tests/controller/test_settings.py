import pytest

from canary_operator.adapters.cluster.cache import Caches
from canary_operator.controller.handlers import build_registry
from canary_operator.controller.settings import kopf_settings
from canary_operator.domain.objects import ROLLOUT_LABEL
from canary_operator.wiring import watched


@pytest.mark.parametrize("cluster_wide", [True, False])
def test_an_operator_with_roles_only_asks_for_nothing_cluster_wide(cluster_wide: bool) -> None:
    settings = kopf_settings(watched(Caches()), cluster_wide=cluster_wide)
    assert settings.scanning.disabled is not cluster_wide


def test_kopf_writes_nothing_of_its_own() -> None:
    resources = watched(Caches())
    settings = kopf_settings(resources, cluster_wide=True)
    registry = build_registry(resources, lambda _: None)
    assert settings.posting.enabled is False
    assert not list(registry._changing.get_all_handlers())
    assert not list(registry._spawning.get_all_handlers())


def test_everything_but_the_rollouts_is_watched_by_our_label() -> None:
    selectors = {resource.plural: resource.selector for resource in watched(Caches())}
    assert selectors.pop("canaryrollouts") is None
    assert set(selectors.values()) == {ROLLOUT_LABEL}
    assert len(selectors) == 5


def test_every_watch_fills_a_cache_before_any_rollout_is_looked_at() -> None:
    resources = watched(Caches())
    registry = build_registry(resources, lambda _: None)
    indexed = {handler.id for handler in registry._indexing.get_all_handlers()}
    followed = {handler.id for handler in registry._watching.get_all_handlers()}
    assert indexed == {f"fill-{resource.plural}" for resource in resources}
    assert followed == {f"follow-{resource.plural}" for resource in resources}

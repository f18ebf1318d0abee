"""When every cache has been filled once, told from what kopf asks and hands out."""

import pytest

from canary_operator.controller.filling import Filling

ROLLOUTS, PODS = "canaryrollouts.canary-operator.dev", "pods"


@pytest.fixture
def filling() -> Filling:
    return Filling([ROLLOUTS, PODS], ROLLOUTS)


def listed(filling: Filling, *resources: str) -> None:
    for resource in resources:
        filling.asked("list", resource, "")
    for resource in resources:
        filling.asked("watch", resource, "")


def test_at_the_start_nothing_is(filling: Filling) -> None:
    assert filling.missing() == f"{ROLLOUTS} not listed yet; is its CRD installed?"


def test_an_empty_cluster_is_known_when_its_lists_are_over(filling: Filling) -> None:
    filling.asked("list", PODS, "")
    listed(filling, ROLLOUTS)
    assert filling.missing() == "not listed yet: pods"
    filling.asked("watch", PODS, "")
    assert filling.missing() is None


def test_objects_are_known_when_the_first_event_was_handled(filling: Filling) -> None:
    listed(filling, ROLLOUTS, PODS)
    filling.saw_object()
    assert filling.missing() == "lists not handled yet"
    filling.saw_event()
    assert filling.missing() is None


def test_each_namespace_has_its_lists(filling: Filling) -> None:
    listed(filling, ROLLOUTS)
    filling.asked("list", ROLLOUTS, "demo")
    assert filling.missing() == f"not listed yet: {ROLLOUTS}"
    filling.asked("watch", ROLLOUTS, "demo")
    assert filling.missing() is None


def test_another_list_after_a_lost_watch_changes_nothing(filling: Filling) -> None:
    listed(filling, ROLLOUTS, PODS)
    filling.asked("list", PODS, "")
    assert filling.missing() is None


def test_resources_of_others_do_not_count(filling: Filling) -> None:
    listed(filling, ROLLOUTS)
    filling.asked("list", "customresourcedefinitions.apiextensions.k8s.io", "")
    assert filling.missing() is None


def test_without_rollouts_there_is_nothing_to_do(filling: Filling) -> None:
    listed(filling, PODS)
    filling.saw_object()
    filling.saw_event()
    assert filling.missing() == f"{ROLLOUTS} not listed yet; is its CRD installed?"

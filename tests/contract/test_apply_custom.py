"""Server-side apply of custom resources: what is left where nothing is left, and nulls."""

import pytest
import pytest_asyncio

from tests.contract.kube import Kube
from tests.contract.objects import DEFINITION, DEFINITIONS, THINGS, thing

pytestmark = pytest.mark.asyncio
PATH = f"{THINGS}/t"
NOT_NULL = 'Invalid value: "null": spec.labels in body must be of type object: "null"'


@pytest_asyncio.fixture(autouse=True)
async def definition(kube_api: Kube) -> None:
    """Define the resource, once per server: a real one takes seconds to serve it."""
    created = await kube_api.create(DEFINITIONS, DEFINITION)
    assert created.status in (201, 409), created.body
    await kube_api.until_served(THINGS)


async def test_a_map_that_applying_leaves_empty_is_null_and_refused(kube_api: Kube) -> None:
    await kube_api.apply(PATH, thing(labels={"k": "v"}))
    refused = await kube_api.apply(PATH, thing(labels={}))
    assert refused.causes[0] == ("spec.labels", "FieldValueTypeInvalid", NOT_NULL)
    taken = await kube_api.apply(PATH, thing())
    assert "labels" not in taken.body["spec"]


@pytest.mark.parametrize("field", ["tags", "steps"])
async def test_a_list_that_is_applied_empty_goes(kube_api: Kube, field: str) -> None:
    await kube_api.apply(PATH, thing(tags=["x"], steps=[{"name": "a"}]))
    applied = await kube_api.apply(PATH, thing(**{field: []}))
    assert applied.status == 200
    assert field not in applied.body["spec"]


async def test_a_map_without_a_schema_may_be_null(kube_api: Kube) -> None:
    await kube_api.apply(PATH, thing(free={"a": {"b": "c"}}))
    applied = await kube_api.apply(PATH, thing(free={"a": {}}))
    assert applied.body["spec"]["free"] == {"a": None}


async def test_nulls_are_applied_as_they_stand(kube_api: Kube) -> None:
    refused = await kube_api.apply(PATH, thing(labels=None))
    assert refused.causes[0] == ("spec.labels", "FieldValueTypeInvalid", NOT_NULL)
    applied = await kube_api.apply(PATH, thing(replicas=None, maybe=None))
    assert applied.body["spec"] == {"name": "abc", "replicas": 1, "maybe": None}


async def test_metadata_that_applying_leaves_empty_goes(kube_api: Kube) -> None:
    body = thing()
    marked = {**body, "metadata": {**body["metadata"], "labels": {"k": "v"}, "finalizers": ["a/b"]}}
    await kube_api.apply(PATH, marked)
    empty = {**body, "metadata": {**body["metadata"], "labels": {}, "finalizers": []}}
    left = await kube_api.apply(PATH, empty)
    assert left.body["metadata"].keys().isdisjoint({"labels", "finalizers"})

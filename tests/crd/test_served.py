"""What the API server accepts, the models accept, and the other way round.

Known exceptions:

- Unknown fields are pruned unless the client asks for strict validation, as kubectl does; the
  models refuse them always. The tests ask for it.
- JSON that writes whole numbers with a fraction (`80.0`) is refused by CEL where a rule looks at
  the object around it; the models read it. YAML tools write such numbers without the fraction.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from canary_operator.crd import GROUP, KIND, PLURAL, VERSION
from canary_operator.domain.spec import RolloutSpec, find_problems
from canary_operator.playground.client import MERGE, ApiStatusError, Resource
from tests.crd.specs import BAD, FULL, GOOD, SMALLEST, Bad, edited
from tests.support.clusters import DEFINITIONS, Cluster

ROLLOUTS = Resource(PLURAL, GROUP, VERSION)


def rollout(spec: Mapping[str, Any], name: str = "web") -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"name": name},
        "spec": spec,
    }


async def refusal(cluster: Cluster, spec: Mapping[str, Any], name: str = "web") -> str | None:
    """Return why the API server does not take a rollout; None when it would."""
    try:
        await cluster.client.request(
            "POST",
            ROLLOUTS.path("default"),
            rollout(spec, name),
            params={"dryRun": "All", "fieldValidation": "Strict"},
        )
    except ApiStatusError as error:
        if error.code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
            return str(error)
        raise
    return None


async def test_the_definition_is_served_without_complaint(cluster: Cluster) -> None:
    definition = await cluster.client.get(DEFINITIONS, f"{PLURAL}.{GROUP}")
    conditions = {each["type"]: each["status"] for each in definition["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


async def test_every_good_spec_is_accepted(cluster: Cluster) -> None:
    refusals = {name: await refusal(cluster, spec) for name, spec in GOOD.items()}
    assert {name: why for name, why in refusals.items() if why} == {}


async def test_every_bad_spec_is_refused(cluster: Cluster) -> None:
    accepted = [bad.id for bad in BAD if not await refusal(cluster, bad.spec)]
    assert accepted == []


async def test_both_validations_use_the_same_words(cluster: Cluster) -> None:
    async def says_it_differently(bad: Bad) -> bool:
        return bad.served and bad.words not in (await refusal(cluster, bad.spec) or "")

    assert [bad.id for bad in BAD if await says_it_differently(bad)] == []


@pytest.mark.parametrize(
    ("name", "accepted"),
    [("web", True), ("w" * 56, True), ("w" * 57, False), ("2web", False), ("we.b", False)],
)
async def test_names(name: str, accepted: bool, cluster: Cluster) -> None:
    why = await refusal(cluster, SMALLEST, name)
    assert (why is None) == accepted
    assert accepted or "metadata.name must be a name of lower-case letters" in str(why)


async def test_an_object_that_nobody_looked_at_says_so(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    await cluster.client.create(ROLLOUTS, rollout(SMALLEST), namespace)
    stored = await cluster.client.get(ROLLOUTS, "web", namespace)
    assert stored["status"] == {"observedGeneration": -1}
    assert stored["spec"] == SMALLEST


async def test_the_scale_subresource_reads_and_writes_replicas(cluster: Cluster) -> None:
    namespace = await cluster.namespace()
    await cluster.client.create(ROLLOUTS, rollout(FULL), namespace)
    status = {"status": {"replicas": 5, "selector": "a=b"}}
    path = ROLLOUTS.path(namespace, "web")
    await cluster.client.request("PATCH", f"{path}/status", status, ctype=MERGE)
    scale = await cluster.client.request("GET", f"{path}/scale")
    assert scale["spec"] == {"replicas": 4}
    assert scale["status"] == {"replicas": 5, "selector": "a=b"}


def mostly(good: Sequence[Any], bad: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from([*good * 4, *bad])


DURATION = mostly(["5s", "1m30s", "720h", None], ["0s", "1ms", "721h", "1d", "", "0.5s", 5])
WEIGHT = mostly([10, 50, 99, 100, None], [-1, 0, 101, "1", True, 1.5])
PORT = mostly([1, 80, 65535], [-1, 0, 80000, "80", None])
TARGET = mostly([80, "http", "a-1", None], [0, 65536, "80", "A", "a--b", "", True])
NUMBER = mostly([0.5, 99, 99.9], [-1, 0, 100, 101, "1", None])
NAME = mostly(["a", "b", "c"], ["A", "", "a_b", 1, None])
PORT_NAME = mostly(["http", "http-a", "tcp-b", "grpc-web"], ["a", "httpx", "http-", "", 1, None])
HOST = mostly(["a", "a.example", "*.b.example"], ["*", "A", "a..b", "", None])
TRUTH = mostly([True, False, None], ["true", 0])
PORTS = {"port": PORT, "targetPort": TARGET}


def each(
    required: Mapping[str, Any], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(dict(required), optional=optional)


STEPS = st.lists(each({"weight": WEIGHT}, hold=DURATION, approval=TRUTH), max_size=3)
KINDS = st.one_of(
    each({"name": NAME, "successRate": each({"min": NUMBER})}),
    each({"name": NAME, "latency": each({"percentile": NUMBER, "max": DURATION})}),
    each({"name": NAME, "query": each({"promql": NAME}, min=NUMBER, max=NUMBER)}),
    each({"name": NAME}, successRate=st.just({"min": 9}), query=st.just({"promql": "a", "max": 1})),
)
CHANGES = st.one_of(
    each({"replicas": mostly([0, 4, None], [-1, 1.5, "1", True])}, paused=TRUTH),
    each({"service": each(PORTS, portName=PORT_NAME)}),
    each(
        {
            "service": each(
                {
                    "ports": st.lists(
                        each(
                            {**PORTS, "name": PORT_NAME},
                            appProtocol=st.sampled_from(["tcp", "kubernetes.io/h2c", "gopher"]),
                        ),
                        max_size=3,
                    )
                },
                targetPort=TARGET,
            )
        }
    ),
    each({"traffic": each({}, istio=each({}, hosts=st.lists(HOST, max_size=3)))}),
    each(
        {
            "traffic": each({"replicas": each({}, rounding=mostly(["Exact", "Up"], ["Down", 1]))}),
            "strategy": each({}, stepWeight=WEIGHT, maxWeight=WEIGHT),
        },
        analysis=st.sampled_from(
            [{"metrics": [{"name": "a", "query": {"promql": "up", "max": 1}}]}, {}]
        ),
    ),
    each({"strategy": each({"steps": STEPS}, hold=DURATION, progressDeadline=DURATION)}),
    each({"strategy": each({}, stepWeight=WEIGHT, maxWeight=WEIGHT, scaleDownDelay=DURATION)}),
    each({"analysis": each({}, interval=DURATION, window=DURATION, minRequests=WEIGHT)}),
    each({"analysis": each({"metrics": st.lists(KINDS, max_size=3)})}),
)


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=CHANGES)
async def test_models_and_api_server_agree(cluster: Cluster, changes: dict[str, Any]) -> None:
    spec = edited(SMALLEST, changes)
    _, problems = find_problems(RolloutSpec, spec)
    served = await refusal(cluster, spec)
    assert bool(problems) == bool(served), (problems, served)

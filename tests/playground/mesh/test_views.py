"""What both sides measure of real requests through a real Envoy."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from canary_operator.playground.mesh import Mesh
from canary_operator.playground.mesh.series import Reporter

SIGMAS = 5  # a right split fails this once in two million runs


async def test_requests_are_split_by_weight(visitor: Any, eventually: Callable[..., Any]) -> None:
    amount, share = 4000, 0.2

    answers = await visitor.send_many(amount)

    spread = SIGMAS * math.sqrt(amount * share * (1 - share))
    assert set(answers) == {(200, "v1"), (200, "v2")}
    assert abs(answers[200, "v2"] - amount * share) < spread
    expected = Counter(
        {
            ("web-stable", 200, "-"): answers[200, "v1"],
            ("web-canary", 200, "-"): answers[200, "v2"],
        }
    )
    for view in Reporter:
        await eventually(lambda view=view: visitor.counted(view) == expected)


async def test_refused_connections_are_seen_by_callers_alone(
    visitor: Any, cluster: Any, split: dict[str, Any], eventually: Callable[..., Any]
) -> None:
    cluster.weights(0, 100)
    await visitor.weight(100)
    await split["canary-0"].refuse()

    assert await visitor.send_many(20) == Counter({(503, None): 20})

    await eventually(lambda: visitor.counted(Reporter.SOURCE).total() == 20)
    [(workload, code, flags)] = visitor.counted(Reporter.SOURCE)
    assert (workload, code) == ("web-canary", 503)
    assert set(flags.split(",")) == {"UF", "URX"}
    assert visitor.counted(Reporter.DESTINATION).total() == 0


async def test_a_service_without_pods_is_unknown_to_callers(
    visitor: Any, mesh: Mesh, cluster: Any, eventually: Callable[..., Any]
) -> None:
    cluster.endpoints("web-canary")
    cluster.weights(0, 100)
    await visitor.weight(100)
    await visitor.endpoints("web-canary")

    await visitor.sees((503, None))

    await eventually(lambda: visitor.counted(Reporter.SOURCE)["unknown", 503, "UH"] > 0)
    [request] = [request for request in mesh.metrics.counts() if request.flags == "UH"]
    assert request.service is not None
    assert request.service.host == "web-canary.demo.svc.cluster.local"


async def test_retries_hide_most_of_a_pod_that_refuses(
    visitor: Any, cluster: Any, split: dict[str, Any], eventually: Callable[..., Any]
) -> None:
    """Not all: as in Istio, a retry may choose the same pod again, all the more if it is idle."""
    cluster.weights(100, 0)
    await visitor.weight(0)
    await split["stable-0"].refuse()

    answers = await visitor.send_many(200)

    assert answers[200, "v1"] > 150
    await eventually(lambda: visitor.counted(Reporter.SOURCE).total() == 200)
    await eventually(
        lambda: (
            visitor.counted(Reporter.DESTINATION) == {("web-stable", 200, "-"): answers[200, "v1"]}
        )
    )


async def test_an_applications_error_is_not_retried(
    visitor: Any, split: dict[str, Any], eventually: Callable[..., Any]
) -> None:
    assert (await visitor.send("/503"))[0] == 503
    await eventually(lambda: visitor.counted(Reporter.SOURCE).total() == 1)
    await eventually(lambda: visitor.counted(Reporter.DESTINATION).total() == 1)
    assert sum(pod.served for pod in split.values()) == 1


async def test_a_caller_who_hangs_up_is_code_0_with_flag_dc_in_both_views(
    visitor: Any, cluster: Any, split: dict[str, Any], eventually: Callable[..., Any]
) -> None:
    cluster.weights(0, 100)
    await visitor.weight(100)
    request = asyncio.create_task(visitor.send("/slow"))
    await eventually(lambda: split["canary-0"].busy)
    request.cancel()
    for view in Reporter:
        await eventually(lambda view=view: visitor.counted(view) == {("web-canary", 0, "DC"): 1})


async def test_an_application_that_hangs_up_is_a_503_in_both_views(
    visitor: Any, cluster: Any, eventually: Callable[..., Any]
) -> None:
    cluster.weights(0, 100)
    await visitor.weight(100)
    assert await visitor.send("/hang-up") == (503, None)
    for view in Reporter:
        await eventually(lambda view=view: visitor.counted(view) == {("web-canary", 503, "UC"): 1})


async def test_mirrored_requests_are_seen_by_the_pod_alone(
    visitor: Any, mesh: Mesh, cluster: Any, split: dict[str, Any], eventually: Callable[..., Any]
) -> None:
    cluster.weights(100, 0, mirror={"host": "web-canary"})
    await mesh.control.wait_until(
        lambda now: "mirror" in now.virtual_services[0]["spec"]["http"][0]
    )

    assert await visitor.send_many(30) == Counter({(200, "v1"): 30})

    await eventually(lambda: split["canary-0"].served == 30)
    await eventually(
        lambda: (
            visitor.counted(Reporter.DESTINATION)
            == {("web-stable", 200, "-"): 30, ("web-canary", 200, "-"): 30}
        )
    )
    assert visitor.counted(Reporter.SOURCE) == {("web-stable", 200, "-"): 30}


async def test_a_grpc_error_hides_behind_status_200(
    visitor: Any, eventually: Callable[..., Any]
) -> None:
    headers = {"Content-Type": "application/grpc"}
    assert (await visitor.send("/grpc-status/14", **headers))[0] == 200
    for view in Reporter:
        await eventually(lambda view=view: visitor.counted(view).total() >= 1)
    # `unavailable` is retried, so pods see it three times and the caller once.
    await eventually(lambda: visitor.counted(Reporter.DESTINATION).total() == 3)
    assert visitor.counted(Reporter.SOURCE).total() == 1
    seen = {
        (request.protocol, request.code, request.grpc_status)
        for request in visitor.mesh.metrics.counts()
    }
    assert seen == {("grpc", 200, "14")}

"""ValidatingAdmissionPolicies: how they refuse, warn and let through, and what they look at."""

from typing import Any

import pytest

from tests.contract.kube import Answer, Kube
from tests.contract.objects import CONFIG_MAPS, config_map
from tests.contract.policies import Enforce, no, says

pytestmark = pytest.mark.asyncio
CODES = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}


@pytest.mark.parametrize(
    ("validation", "reason", "message"),
    [
        ({"expression": "1 == 2"}, "Invalid", "failed expression: 1 == 2"),
        (no("no such thing"), "Invalid", "no such thing"),
        (no(reason="Forbidden"), "Forbidden", "no"),
        (no(reason="RequestEntityTooLarge"), "RequestEntityTooLarge", "no"),
        (says("'no ' + object.metadata.name"), "Invalid", "no c"),
        (no("unless empty", messageExpression="''"), "Invalid", "unless empty"),
        (
            no("unless it fails", messageExpression="string(object.data.zzz)"),
            "Invalid",
            "unless it fails",
        ),
        (
            {"expression": "object.data.zzz == 'a'", "message": "not said"},
            "Invalid",
            "expression 'object.data.zzz == 'a'' resulted in error: no such key: zzz",
        ),
        (
            {"expression": "object.data.a > 1"},
            "Invalid",
            "expression 'object.data.a > 1' resulted in error: no such overload",
        ),
        (
            {"expression": "oldObject.metadata.name == 'a'"},
            "Invalid",
            "expression 'oldObject.metadata.name == 'a'' resulted in error: no such key: metadata",
        ),
    ],
)
async def test_a_denial_says_what_the_policy_says(
    kube_api: Kube,
    enforce: Enforce,
    validation: dict[str, Any],
    reason: str,
    message: str,
) -> None:
    who = await enforce(validation)
    refused = await kube_api.create(CONFIG_MAPS, config_map(data={"a": "b"}))
    text = f"{who} denied request: {message}"
    assert refused.summary == (CODES[reason], reason, f'configmaps "c" is forbidden: {text}')
    assert refused.body["details"] == {
        "name": "c",
        "kind": "configmaps",
        "causes": [{"message": text}],
    }
    assert (await kube_api.get(f"{CONFIG_MAPS}/c")).status == 404


async def test_the_first_validation_that_fails_is_told(kube_api: Kube, enforce: Enforce) -> None:
    who = await enforce(no("one"), no("two"))
    refused = await kube_api.create(CONFIG_MAPS, config_map())
    assert refused.summary[2] == f'configmaps "c" is forbidden: {who} denied request: one'


async def test_a_policy_may_only_warn(kube_api: Kube, enforce: Enforce) -> None:
    who = await enforce(no("careful"), no("really"), actions=("Warn", "Audit"))
    made = await kube_api.create(CONFIG_MAPS, config_map())
    assert made.status == 201
    assert made.warnings == (
        f'299 - "Validation failed for {who}: careful"',
        f'299 - "Validation failed for {who}: really"',
    )
    deleted = await kube_api.delete(f"{CONFIG_MAPS}/c")
    assert deleted.status == 200
    assert len(deleted.warnings) == 2


async def test_what_fails_to_evaluate_is_let_through_when_the_policy_says_ignore(
    kube_api: Kube, enforce: Enforce
) -> None:
    await enforce({"expression": "object.data.zzz == 'a'"}, failurePolicy="Ignore")
    assert (await kube_api.create(CONFIG_MAPS, config_map())).status == 201


async def test_every_way_to_write_is_judged(kube_api: Kube, enforce: Enforce) -> None:
    await kube_api.create(CONFIG_MAPS, config_map(data={"a": "b"}))
    seen = (
        "request.operation + ' ' + request.name + ' ' + string(oldObject == null) + ' ' + "
        "string(object == null) + ' ' + string(request.dryRun) + ' ' + "
        "string(has(request.options.fieldManager))"
    )
    await enforce(says(seen))

    def told(answer: Answer) -> str:
        assert answer.status == 422
        return str(answer.body["message"].rpartition("request: ")[2])

    one = f"{CONFIG_MAPS}/c"
    assert told(await kube_api.create(CONFIG_MAPS, config_map("d"))) == (
        "CREATE d true false false false"
    )
    assert told(await kube_api.create(CONFIG_MAPS, config_map("d"), dryRun="All")) == (
        "CREATE d true false true false"
    )
    assert told(await kube_api.apply(f"{CONFIG_MAPS}/d", config_map("d"))) == (
        "CREATE d true false false true"
    )
    assert told(await kube_api.apply(one, config_map())) == "UPDATE c false false false true"
    assert told(await kube_api.patch(one, {"data": {"a": "c"}})) == (
        "UPDATE c false false false false"
    )
    assert told(await kube_api.patch(one, {"data": {"a": "b"}})) == (
        "UPDATE c false false false false"  # even one that changes nothing
    )
    assert told(await kube_api.send("PUT", one, config_map(data={"x": "y"}))) == (
        "UPDATE c false false false false"
    )
    assert told(await kube_api.delete(one)) == "DELETE c false true false false"
    assert (await kube_api.delete(f"{CONFIG_MAPS}/nope")).status == 404
    generated = {**config_map(), "metadata": {"generateName": "gen"}}
    assert told(await kube_api.create(CONFIG_MAPS, generated)).startswith("CREATE gen")


async def test_an_object_that_is_wrong_in_itself_is_refused_for_that(
    kube_api: Kube, enforce: Enforce
) -> None:
    await enforce(no())
    refused = await kube_api.create(CONFIG_MAPS, config_map("Q_"))
    assert refused.summary[2].startswith('ConfigMap "Q_" is invalid: metadata.name')


async def test_variables_are_evaluated_when_somebody_looks(
    kube_api: Kube, enforce: Enforce
) -> None:
    who = await enforce(
        {"expression": "variables.greeting == ''", "messageExpression": "variables.greeting"},
        variables=[
            {"name": "broken", "expression": "object.data.zzz"},
            {"name": "who", "expression": "object.metadata.name"},
            {"name": "greeting", "expression": "'hello ' + variables.who"},
        ],
    )
    refused = await kube_api.create(CONFIG_MAPS, config_map())
    assert refused.body["message"].endswith(f"{who} denied request: hello c")


async def test_a_variable_that_fails_is_named(kube_api: Kube, enforce: Enforce) -> None:
    who = await enforce(
        {"expression": "variables.v == 'a'"},
        variables=[{"name": "v", "expression": "object.data.zzz"}],
    )
    refused = await kube_api.create(CONFIG_MAPS, config_map(data={"a": "b"}))
    assert refused.body["message"].endswith(
        f"{who} denied request: expression 'variables.v == 'a'' resulted in error: composited "
        'variable "v" fails to evaluate: no such key: zzz'
    )


async def test_the_namespace_is_there_to_look_at(kube_api: Kube, enforce: Enforce) -> None:
    await enforce(
        says(
            "namespaceObject.metadata.name + ' ' + namespaceObject.status.phase + ' ' + "
            "namespaceObject.metadata.labels['kubernetes.io/metadata.name']"
        )
    )
    refused = await kube_api.create(CONFIG_MAPS, config_map())
    name = kube_api.namespace
    assert refused.body["message"].endswith(f"denied request: {name} Active {name}")

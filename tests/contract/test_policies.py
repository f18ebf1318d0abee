"""ValidatingAdmissionPolicies: what they match, what they see, and how they refuse."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.accounts import rule, until_allowed, worker
from tests.contract.kube import Answer, Kube
from tests.contract.objects import CONFIG_MAPS, DEPLOYMENTS, config_map, deployment

pytestmark = pytest.mark.asyncio
VERSION = "admissionregistration.k8s.io/v1"
POLICIES = f"/apis/{VERSION}/validatingadmissionpolicies"
BINDINGS = f"/apis/{VERSION}/validatingadmissionpolicybindings"
EVERY_CONFIG_MAP = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["*"],
    "resources": ["configmaps"],
}

PROBE = "probe"
ACTIVE = {"expression": f"request.name != '{PROBE}'", "message": "in force"}
"""Comes first in every policy, so that tests can wait until a real server heeds it."""

CODES = {"Forbidden": 403, "Invalid": 422, "RequestEntityTooLarge": 413}

Enforce = Callable[..., Awaitable[str]]


def policy(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """Return a policy for ConfigMaps in a namespace, unless told otherwise."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    constraints = {"namespaceSelector": selector, "resourceRules": [EVERY_CONFIG_MAP]}
    return {
        "apiVersion": VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            **spec,
            "matchConstraints": {**constraints, **spec.get("matchConstraints", {})},
        },
    }


def binding(name: str, *actions: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": VERSION,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": list(actions), **spec},
    }


@pytest_asyncio.fixture
async def enforce(kube_api: Kube) -> AsyncIterator[Enforce]:
    """Bring policies into force; they end with the test, because a server keeps them for all."""
    names: list[str] = []

    async def enforced(
        *validations: dict[str, Any],
        actions: tuple[str, ...] = ("Deny",),
        bound: dict[str, Any] | None = None,
        **spec: Any,
    ) -> str:
        name = f"{kube_api.namespace}-{len(names)}"
        names.append(name)
        spec["validations"] = [ACTIVE, *validations]
        made = await kube_api.create(POLICIES, policy(name, kube_api.namespace, **spec))
        assert made.status == 201, made.body
        made = await kube_api.create(BINDINGS, binding(name, *actions, **(bound or {})))
        assert made.status == 201, made.body

        async def in_force() -> bool:
            tried = await kube_api.create(CONFIG_MAPS, config_map(PROBE), dryRun="All")
            return f"'{name}'" in str(tried.body) or bool(tried.warnings)

        await kube_api.until(in_force)
        return f"ValidatingAdmissionPolicy '{name}' with binding '{name}'"

    yield enforced
    for name in names:
        await asyncio.gather(
            kube_api.delete(f"{BINDINGS}/{name}"), kube_api.delete(f"{POLICIES}/{name}")
        )


def no(message: str = "no", **validation: Any) -> dict[str, Any]:
    return {"expression": "false", "message": message, **validation}


def says(expression: str) -> dict[str, Any]:
    """A validation that refuses everything with a text."""
    return {"expression": "false", "messageExpression": expression}


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


async def test_conditions_say_what_a_policy_is_about(kube_api: Kube, enforce: Enforce) -> None:
    about = f"object != null && object.metadata.name in ['{PROBE}', 'mine']"
    await enforce(no(), matchConditions=[{"name": "mine", "expression": about}])
    assert (await kube_api.create(CONFIG_MAPS, config_map("mine"))).status == 422
    assert (await kube_api.create(CONFIG_MAPS, config_map("yours"))).status == 201


async def test_a_condition_that_fails_denies(kube_api: Kube, enforce: Enforce) -> None:
    fails = f"object.metadata.name == '{PROBE}' || object.data.zzz == 'a'"
    who = await enforce(no(), matchConditions=[{"name": "fails", "expression": fails}])
    refused = await kube_api.create(CONFIG_MAPS, config_map(data={"a": "b"}))
    assert refused.body["message"].endswith(
        f"{who} denied request: expression '{fails}' resulted in error: no such key: zzz"
    )


@pytest.mark.parametrize(
    ("resources", "names", "refused"),
    [
        pytest.param(["deployments"], [], {"main"}, id="the main door only"),
        pytest.param(["deployments/scale"], [], {"scale"}, id="one other door"),
        pytest.param(["deployments/*"], [], {"main", "scale", "status"}, id="every door"),
        pytest.param(["*/status"], [], {"status"}, id="one door of everything"),
        pytest.param(["*"], [], {"main"}, id="the main door of everything"),
        pytest.param(["*/*"], [], {"main", "scale", "status"}, id="everything"),
        pytest.param(["deployments"], ["y"], set(), id="another name"),
        pytest.param(["deployments"], ["x"], {"main"}, id="this name"),
    ],
)
async def test_resources_name_doors(
    kube_api: Kube, enforce: Enforce, resources: list[str], names: list[str], refused: set[str]
) -> None:
    await kube_api.create(DEPLOYMENTS, deployment())
    about = {
        "apiGroups": ["apps"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": resources,
        **({"resourceNames": names} if names else {}),
    }
    kinds = {"main": "Deployment", "scale": "Scale", "status": "Deployment"}
    await enforce(
        says("object.kind + ' ' + (has(request.subResource) ? request.subResource : 'main')"),
        matchConstraints={"resourceRules": [EVERY_CONFIG_MAP, about]},
    )
    changes = {
        "main": await kube_api.patch(f"{DEPLOYMENTS}/x", {"metadata": {"labels": {"a": "b"}}}),
        "scale": await kube_api.patch(f"{DEPLOYMENTS}/x/scale", {"spec": {"replicas": 2}}),
        "status": await kube_api.patch(f"{DEPLOYMENTS}/x/status", {"status": {"replicas": 3}}),
    }
    assert {door for door, answer in changes.items() if answer.status == 422} == refused
    for door in refused:
        assert changes[door].body["message"].endswith(f"denied request: {kinds[door]} {door}")


async def test_labels_of_the_object_before_and_after_select(
    kube_api: Kube, enforce: Enforce
) -> None:
    guarded = {"guarded": "true"}
    await kube_api.create(CONFIG_MAPS, config_map("was", labels=guarded))
    selector = {"matchExpressions": [{"key": "guarded", "operator": "Exists"}]}
    name = await enforce(no())
    name = name.split("'")[1]
    patched = {"spec": {"matchConstraints": {"objectSelector": selector}}}
    assert (await kube_api.patch(f"{POLICIES}/{name}", patched)).status == 200

    async def free() -> bool:
        return (await kube_api.create(CONFIG_MAPS, config_map("a"), dryRun="All")).status == 201

    await kube_api.until(free)
    assert (await kube_api.create(CONFIG_MAPS, config_map("b", labels=guarded))).status == 422
    unlabelled = {"metadata": {"labels": None}}
    assert (await kube_api.patch(f"{CONFIG_MAPS}/was", unlabelled)).status == 422


async def test_a_binding_narrows_its_policy(kube_api: Kube, enforce: Enforce) -> None:
    only = {**EVERY_CONFIG_MAP, "operations": ["CREATE"]}
    await enforce(no(), bound={"matchResources": {"resourceRules": [only]}})
    assert (await kube_api.create(CONFIG_MAPS, config_map())).status == 422
    assert (await kube_api.delete(f"{CONFIG_MAPS}/kube-root-ca.crt")).status in (200, 404)


async def test_excluded_rules_and_scopes_take_away(kube_api: Kube, enforce: Enforce) -> None:
    mine = {**EVERY_CONFIG_MAP, "resourceNames": ["free"]}
    await enforce(no(), matchConstraints={"excludeResourceRules": [mine]})
    assert (await kube_api.create(CONFIG_MAPS, config_map("free"))).status == 201
    assert (await kube_api.create(CONFIG_MAPS, config_map("other"))).status == 422


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


async def test_the_authorizer_knows_what_the_author_may_do(
    kube_api: Kube, enforce: Enforce
) -> None:
    may_deploy = (
        "authorizer.group('apps').resource('deployments').namespace(request.namespace)"
        ".check('create').allowed()"
    )
    who = await enforce(
        {
            "expression": may_deploy,
            "messageExpression": "request.userInfo.username + ' may not create Deployments'",
            "reason": "Forbidden",
        }
    )
    poor = await worker(kube_api, rule("", "configmaps", "create"), name="poor")
    rich = await worker(
        kube_api,
        rule("", "configmaps", "create"),
        rule("apps", "deployments", "create"),
        name="rich",
    )
    await until_allowed(poor, "create", "configmaps")
    await until_allowed(rich, "create", "apps/deployments")
    refused = await poor.create(CONFIG_MAPS, config_map("a"))
    user = f"system:serviceaccount:{kube_api.namespace}:poor"
    assert refused.summary == (
        403,
        "Forbidden",
        (f'configmaps "a" is forbidden: {who} denied request: {user} may not create Deployments'),
    )
    assert (await rich.create(CONFIG_MAPS, config_map("a"))).status == 201
    assert (await kube_api.create(CONFIG_MAPS, config_map("b"))).status == 201  # an administrator


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("authorizer.requestResource.check('create').allowed()", True),
        ("authorizer.requestResource.check('delete').allowed()", False),
        (
            (
                "authorizer.group('').resource('configmaps').subresource('status')"
                ".namespace(request.namespace).name('x').check('create').allowed()"
            ),
            False,
        ),
        (
            (
                "authorizer.group('').resource('secrets').namespace(request.namespace)"
                ".name('mine').check('get').allowed()"
            ),
            True,
        ),
        (
            (
                "authorizer.group('').resource('secrets').namespace(request.namespace)"
                ".check('get').reason() == ''"
            ),
            True,
        ),
        (
            (
                "authorizer.serviceAccount(request.namespace, 'default').group('')"
                ".resource('configmaps').namespace(request.namespace).check('create').allowed()"
            ),
            False,
        ),
        ("authorizer.path('/healthz').check('get').allowed()", True),
    ],
)
async def test_the_authorizer_answers(
    kube_api: Kube, enforce: Enforce, expression: str, holds: bool
) -> None:
    await enforce({"expression": expression})
    account = await worker(
        kube_api, rule("", "configmaps", "create"), rule("", "secrets", "get", "mine")
    )
    await until_allowed(account, "create", "configmaps")
    made = await account.create(CONFIG_MAPS, config_map())
    assert (made.status == 201) is holds, made.body


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"validations": []},
            (
                "[spec.validations: Required value: validations or auditAnnotations must contain "
                "at least one item, spec.auditAnnotations: Required value: validations or "
                "auditAnnotations must contain at least one item]"
            ),
        ),
        (
            {"validations": [no(reason="Unauthorized")]},
            (
                'spec.validations[0].reason: Unsupported value: "Unauthorized": supported values: '
                '"Forbidden", "Invalid", "RequestEntityTooLarge"'
            ),
        ),
        (
            {"validations": [no("a\nb")]},
            'spec.validations[0].message: Invalid value: "a\\nb": must not contain line breaks',
        ),
        (
            {"validations": [{"expression": "true &&\nfoo.bar == 1"}]},
            (
                'spec.validations[0].expression: Invalid value: "true &&\\nfoo.bar == 1": '
                "compilation failed: ERROR: <input>:2:1: undeclared reference to 'foo' (in "
                "container '')\n | foo.bar == 1\n | ^"
            ),
        ),
        (
            {"validations": [says("string(authorizer)")]},
            (
                'spec.validations[0].messageExpression: Invalid value: "string(authorizer)": '
                "compilation failed: ERROR: <input>:1:8: undeclared reference to 'authorizer' (in "
                "container '')\n | string(authorizer)\n | .......^"
            ),
        ),
        (
            {"validations": [says("object.metadata.name")]},
            (
                'spec.validations[0].messageExpression: Invalid value: "object.metadata.name": '
                "must evaluate to string but got dyn"
            ),
        ),
        (
            {"validations": [no()], "matchConstraints": {"resourceRules": []}},
            "spec.matchConstraints.resourceRules: Required value",
        ),
    ],
)
async def test_a_policy_that_cannot_work_is_refused(
    kube_api: Kube, spec: dict[str, Any], problem: str
) -> None:
    name = f"{kube_api.namespace}-wrong"
    refused = await kube_api.create(POLICIES, policy(name, kube_api.namespace, **spec))
    kind = "ValidatingAdmissionPolicy.admissionregistration.k8s.io"
    assert refused.summary == (422, "Invalid", f'{kind} "{name}" is invalid: {problem}')


@pytest.mark.parametrize(
    ("actions", "problem"),
    [
        (
            (),
            "spec.validationActions: Required value: at least one validation action is required",
        ),
        (
            ("Foo", "Deny", "Warn"),
            (
                '[spec.validationActions[0]: Unsupported value: "Foo": supported values: "Audit", '
                '"Deny", "Warn", spec.validationActions: Invalid value: ["Foo","Deny","Warn"]: '
                "must not contain both Deny and Warn (repeating the same validation failure "
                "information in the API response and headers serves no purpose)]"
            ),
        ),
    ],
)
async def test_a_binding_that_cannot_work_is_refused(
    kube_api: Kube, actions: tuple[str, ...], problem: str
) -> None:
    name = f"{kube_api.namespace}-wrong"
    refused = await kube_api.create(BINDINGS, binding(name, *actions))
    kind = "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io"
    assert refused.summary == (422, "Invalid", f'{kind} "{name}" is invalid: {problem}')


async def test_policies_and_bindings_get_defaults(kube_api: Kube) -> None:
    name = f"{kube_api.namespace}-defaults"
    made = await kube_api.create(
        POLICIES, policy(name, kube_api.namespace, validations=[no()]), dryRun="All"
    )
    spec = made.body["spec"]
    assert spec["failurePolicy"] == "Fail"
    assert spec["matchConstraints"]["matchPolicy"] == "Equivalent"
    assert spec["matchConstraints"]["objectSelector"] == {}
    assert spec["matchConstraints"]["resourceRules"][0]["scope"] == "*"
    made = await kube_api.create(
        BINDINGS, binding(name, "Deny", matchResources={"objectSelector": {}}), dryRun="All"
    )
    assert made.body["spec"]["matchResources"] == {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
    }

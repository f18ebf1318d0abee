"""Policies that ask what their author may do, and those that cannot work."""

from typing import Any

import pytest

from tests.contract.accounts import rule, until_allowed, worker
from tests.contract.kube import Kube
from tests.contract.objects import CONFIG_MAPS, config_map
from tests.contract.policies import BINDINGS, POLICIES, Enforce, binding, no, policy, says

pytestmark = pytest.mark.asyncio


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
        ("authorizer.path('/apis/apps').check('get').allowed()", True),
        ("authorizer.path('/metrics').check('get').allowed()", False),
        ("authorizer.path('/healthz').check('post').allowed()", False),
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

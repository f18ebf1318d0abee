"""Questions about rights and tokens: answered at once, never stored."""

from canary_operator.playground.api.auth import ISSUED, Attributes, Authorizer, User
from canary_operator.playground.api.kinds import Resource
from canary_operator.playground.api.objects import Object, dig


def review(body: Object, resource: Resource, user: User, authorizer: Authorizer) -> Object:
    """Return a review with its answer in `status`."""
    spec = body.get("spec") or {}
    match resource.kind:
        case "SelfSubjectAccessReview":
            status = _access(spec, user, authorizer)
        case "SubjectAccessReview" | "LocalSubjectAccessReview":
            asked = User(spec.get("user", ""), tuple(spec.get("groups") or ()))
            status = _access(spec, asked, authorizer)
        case "SelfSubjectRulesReview":
            status = _rules(spec, user, authorizer)
        case "TokenReview":
            status = _token(spec, authorizer)
        case _:
            status = {"userInfo": {"username": user.name, "groups": list(user.groups)}}
    return {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": body.get("metadata") or {},
        "spec": spec,
        "status": status,
    }


def _access(spec: Object, user: User, authorizer: Authorizer) -> Object:
    asked = spec.get("resourceAttributes")
    if asked is None:
        path = dig(spec, "nonResourceAttributes", "path", default="/")
        question = Attributes(dig(spec, "nonResourceAttributes", "verb", default="get"), path=path)
    else:
        names = ("group", "resource", "subresource", "namespace", "name")
        question = Attributes(
            asked.get("verb", ""), **{name: asked.get(name, "") for name in names}
        )
    return {"allowed": authorizer.allows(user, question)}


def _rules(spec: Object, user: User, authorizer: Authorizer) -> Object:
    everything: Object = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    if not authorizer.enabled or authorizer.allows(user, Attributes("*", "*", "*")):
        rules = [everything]
    else:
        rules = list(authorizer.rules(user, spec.get("namespace", "default")))
    return {"resourceRules": rules, "nonResourceRules": [], "incomplete": False}


def _token(spec: Object, authorizer: Authorizer) -> Object:
    text = spec.get("token", "")
    user = authorizer.known(text)
    if user is None:
        error = f"[invalid bearer token{', expired' if text.startswith(ISSUED) else ''}]"
        return {"user": {}, "error": error}
    return {"authenticated": True, "user": {"username": user.name, "groups": list(user.groups)}}

"""Who asks, and may they: bearer tokens, and rules from stored roles and bindings.

Off by default: then everybody is the cluster's admin, as on a laptop cluster.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from canary_operator.playground.api.errors import APIError, forbidden, unauthorized
from canary_operator.playground.api.grants import covers_url
from canary_operator.playground.api.objects import Object
from canary_operator.playground.api.requests import Request
from canary_operator.playground.api.selectors import matches_labels
from canary_operator.playground.api.store import Store

RBAC = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
ACCOUNT = "system:serviceaccount:"
ACCOUNTS = ("", "serviceaccounts")
ISSUED = "playground:"
"""Prefix of tokens that the server itself issued for service accounts."""


BASIC = {
    ("create", "authorization.k8s.io", "selfsubjectaccessreviews"),
    ("create", "authorization.k8s.io", "selfsubjectrulesreviews"),
    ("create", "authentication.k8s.io", "selfsubjectreviews"),
}
"""What everybody may ask about themselves, as the role `system:basic-user` allows."""


PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/api*", "/openapi*")
"""What everybody may read, as the roles `system:public-info-viewer` and `system:discovery` allow.

Only questions heed this: the embedded server answers these and all its other paths to anybody.
"""


@dataclass(frozen=True)
class User:
    """Somebody who sends requests."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("system:admin", (MASTERS, "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def service_account(namespace: str, name: str) -> User:
    """Return the user that a service account is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"{ACCOUNT}{namespace}:{name}", (*groups, "system:authenticated"))


@dataclass(frozen=True)
class Attributes:
    """One question to the authorizer."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    """Set for requests that name no resource, such as `/healthz`."""

    @property
    def qualified_resource(self) -> str:
        """Return resource and subresource as rules name them."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True)
class Asked:
    """A right that a request needed, and whether its user has it."""

    user: str
    group: str
    resource: str
    """With its subresource, as rules name it: `deployments/scale`."""
    verb: str
    granted: bool


@dataclass
class Authorizer:
    """Authentication and authorization; `enabled` turns both on.

    `asked` collects the rights that requests needed while it is on, those included that the server
    asks for on the way: `create` when an apply makes an object, `update` on the finalizers of an
    owner whose deletion a write may block. Questions about rights (access reviews, policies) need
    none.
    """

    store: Store
    enabled: bool = False
    tokens: dict[str, User] = field(default_factory=dict)
    nobody: User = ANONYMOUS
    """Who sends requests without a token; kubectl never sends one over plain HTTP."""
    asked: set[Asked] = field(default_factory=set)

    def forget(self) -> None:
        """Collect from here."""
        self.asked.clear()

    def user_of(self, header: str) -> User:
        """Return who sent a request with this `Authorization` header.

        Raises:
            APIError: nobody has this token (401).
        """
        if not self.enabled:
            return ADMIN
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            return self.nobody
        user = self.known(token)
        if user is None:
            raise unauthorized()
        return user

    def known(self, token: str) -> User | None:
        """Return whose token this is."""
        if token in self.tokens:
            return self.tokens[token]
        if token.startswith(ISSUED + ACCOUNT):
            namespace, name, *_ = token.removeprefix(ISSUED + ACCOUNT).split(":")
            if self.store.get(ACCOUNTS, (namespace, name)) is not None:
                return service_account(namespace, name)
        return None

    def allows(self, user: User, asked: Attributes) -> bool:
        """Tell whether a rule allows what is asked."""
        if not self.enabled or MASTERS in user.groups:
            return True
        if asked.path:
            return self._allows_path(user, asked)
        if (asked.verb, asked.group, asked.resource) in BASIC:
            return True
        return any(_rule_allows(rule, asked) for rule in self.rules(user, asked.namespace))

    def _allows_path(self, user: User, asked: Attributes) -> bool:
        everybody = asked.verb == "get" and covers_url(PUBLIC_PATHS, asked.path)
        return everybody or any(
            _has(rule.get("verbs"), asked.verb)
            and covers_url(rule.get("nonResourceURLs") or (), asked.path)
            for rule in self.rules(user, "")
        )

    def rules(self, user: User, namespace: str) -> Iterator[Object]:
        """Iterate over the rules that apply to a user in a namespace."""
        scopes = [("clusterrolebindings", "")]
        if namespace:
            scopes.append(("rolebindings", namespace))
        for plural, scope in scopes:
            for _, stored in self.store.scan((RBAC, plural), scope):
                if any(_is_subject(s, user, scope) for s in stored.obj.get("subjects") or ()):
                    yield from self.role_rules(stored.obj["roleRef"], scope) or ()

    def role_rules(self, reference: Mapping[str, str], namespace: str) -> list[Object] | None:
        """Return the rules of the role that a binding names, `None` where there is none.

        The rules of a role that aggregates others are gathered here, not stored by a controller.
        """
        cluster = reference["kind"] == "ClusterRole"
        plural, scope = ("clusterroles", "") if cluster else ("roles", namespace)
        stored = self.store.get((RBAC, plural), (scope, reference["name"]))
        return None if stored is None else list(self._gathered(stored.obj, set()))

    def _gathered(self, role: Object, seen: set[str]) -> Iterator[Object]:
        """Iterate over the rules of a role and of those that it aggregates, and so on."""
        seen.add(role["metadata"]["uid"])
        yield from role.get("rules") or ()
        selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        for _, other in self.store.scan((RBAC, "clusterroles")) if selectors else ():
            labels = other.obj["metadata"].get("labels") or {}
            fits = any(matches_labels(selector, labels) for selector in selectors)
            if fits and other.obj["metadata"]["uid"] not in seen:
                yield from self._gathered(other.obj, seen)

    def require(self, user: User, asked: Attributes) -> None:
        """Refuse what no rule allows.

        Raises:
            APIError: no rule allows it (403), in the words of the real server.
        """
        if not self.permits(user, asked):
            raise denied(user, asked)

    def permits(self, user: User, asked: Attributes) -> bool:
        """Tell whether a rule allows what a request needs, and remember that it was needed."""
        granted = self.allows(user, asked)
        if self.enabled:
            what = (asked.group, asked.qualified_resource, asked.verb)
            self.asked.add(Asked(user.name, *what, granted))
        return granted


def denied(user: User, asked: Attributes) -> APIError:
    """Return the refusal of a request that no rule allows."""
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    detail = (
        f'User "{user.name}" cannot {asked.verb} resource "{asked.qualified_resource}" '
        f'in API group "{asked.group}" {where}'
    )
    return forbidden(asked.group, asked.resource, asked.name, detail)


def attributes(request: Request) -> Attributes:
    """Return the question that a request asks."""
    return Attributes(
        request.verb,
        request.group,
        request.resource,
        request.subresource,
        request.namespace,
        request.name,
    )


def _is_subject(subject: Mapping[str, str], user: User, namespace: str) -> bool:
    match subject["kind"]:
        case "User":
            return subject["name"] == user.name
        case "Group":
            return subject["name"] in user.groups
        case _:
            home = subject.get("namespace") or namespace
            return f"{ACCOUNT}{home}:{subject['name']}" == user.name


def _rule_allows(rule: Mapping[str, list[str]], asked: Attributes) -> bool:
    resources = rule.get("resources") or ()
    names = rule.get("resourceNames") or ()
    fits_resource = (
        "*" in resources
        or asked.qualified_resource in resources
        or (asked.subresource and f"*/{asked.subresource}" in resources)
    )
    return bool(
        _has(rule.get("verbs"), asked.verb)
        and _has(rule.get("apiGroups"), asked.group)
        and fits_resource
        and (not names or asked.name in names)
    )


def _has(values: list[str] | None, wanted: str) -> bool:
    return "*" in (values or ()) or wanted in (values or ())

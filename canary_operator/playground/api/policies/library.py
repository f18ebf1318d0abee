"""The `authorizer` of policies in CEL: what may the one who asks, or a service account, do?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from celpy import celtypes

from canary_operator.playground.api.auth import Attributes, Authorizer, User, service_account


@dataclass(frozen=True)
class Question:
    """A check that is being put together, call by call."""

    authorizer: Authorizer
    user: User
    about: Attributes


@dataclass(frozen=True)
class Decision:
    """The answer to a check."""

    allowed: bool


class AuthorizerValue(celtypes.MapType):
    """The variable `authorizer`; its one field is `requestResource`."""

    def __init__(self, question: Question, requested: Attributes) -> None:
        about = replace(question, about=requested)
        super().__init__({celtypes.StringType("requestResource"): about})
        self.question = question


def _narrowed(name: str) -> Callable[[Any, str], Question]:
    def narrow(asked: Any, value: str) -> Question:
        question = asked.question if isinstance(asked, AuthorizerValue) else asked
        about: Attributes = replace(question.about, **{name: str(value)})
        return Question(question.authorizer, question.user, about)

    return narrow


def _account(asked: AuthorizerValue, namespace: str, name: str) -> AuthorizerValue:
    user = service_account(str(namespace), str(name))
    about = asked[celtypes.StringType("requestResource")].about
    return AuthorizerValue(Question(asked.question.authorizer, user, Attributes("")), about)


def _check(asked: Question, verb: str) -> Decision:
    question = replace(asked.about, verb=str(verb))
    return Decision(asked.authorizer.allows(asked.user, question))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "group": _narrowed("group"),
    "resource": _narrowed("resource"),
    "subresource": _narrowed("subresource"),
    "namespace": _narrowed("namespace"),
    "name": _narrowed("name"),
    "path": _narrowed("path"),
    "serviceAccount": _account,
    "check": _check,
    "allowed": lambda decision: celtypes.BoolType(decision.allowed),
    "errored": lambda _: celtypes.BoolType(False),
    "error": lambda _: celtypes.StringType(""),
    "reason": lambda _: celtypes.StringType(""),
}
"""What may be called on it. The embedded server gives no reasons, as the real one gives none for
what no rule allows."""

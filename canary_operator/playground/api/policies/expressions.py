"""CEL in policies: read once, checked for names that nobody declares, evaluated on a write."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from celpy import celtypes
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError

from canary_operator.playground.api import cel_functions
from canary_operator.playground.api.cel import ENVIRONMENT
from canary_operator.playground.api.policies import library

FUNCTIONS = {**cel_functions.FUNCTIONS, **library.FUNCTIONS}
MACROS = ("all", "exists", "exists_one", "filter", "map")
NAMES_OF_TYPES = "bool bytes double duration int list map null_type string timestamp type uint"
TYPES = tuple(NAMES_OF_TYPES.split())
DATA = ("object", "oldObject", "request", "namespaceObject", "variables", "params")
"""What every expression of a policy may look at."""
OPTIONAL = re.compile(r"\.\?|\[\?|\.orValue\(|\boptional\.")


class ExpressionError(Exception):
    """An expression cannot be used, in the words of the real server where it has some."""


class EvaluationError(Exception):
    """An expression fails on this write."""


@lru_cache(maxsize=1024)
def compiled(text: str, declared: tuple[str, ...] = (*DATA, "authorizer")) -> Any:
    """Return an expression ready to run.

    Raises:
        ExpressionError: it cannot be read, or names what is not declared.
    """
    try:
        tree = ENVIRONMENT.compile(text)
    except CELParseError as error:
        why = "Syntax error"
        if OPTIONAL.search(text):
            why = "optional values (`.?`, `orValue`) are unknown to the embedded API; use `has()`"
        place = f"{error.line or 1}:{error.column or 1}"
        raise ExpressionError(f"compilation failed: ERROR: <input>:{place}: {why}") from error
    for token in _names(tree):
        if str(token) not in (*declared, *TYPES):
            raise ExpressionError(_undeclared(text, token))
    return ENVIRONMENT.program(tree, functions=FUNCTIONS)


def _undeclared(text: str, token: Any) -> str:
    line = text.splitlines()[token.line - 1]
    return (
        f"compilation failed: ERROR: <input>:{token.line}:{token.column}: undeclared reference to "
        f"'{token}' (in container '')\n | {line}\n | {'.' * (token.column - 1)}^"
    )


def _names(tree: Any, bound: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Iterate over the free names of a syntax tree, as tokens with their place."""
    if not hasattr(tree, "children"):
        return
    if tree.data in ("ident", "dot_ident"):
        name = tree.children[0]
        if str(name) not in bound:
            yield name
        return
    children = list(tree.children)
    if tree.data == "member_dot_arg" and str(children[1]) in MACROS:
        yield from _names(children.pop(0), bound)
        own = next((str(name) for name in _names(children[-1].children[0])), "")
        bound |= {own}
    for child in children:
        yield from _names(child, bound)


def is_untyped(text: str) -> bool:
    """Tell whether an expression only follows fields, so that its type is known to nobody."""
    return re.fullmatch(r"\s*(object|oldObject|params)(\.\w+|\[[^\]]+\])*\s*", text) is not None


def evaluate(text: str, scope: Mapping[str, Any]) -> Any:
    """Return the value of an expression.

    Raises:
        EvaluationError: it has none here.
    """
    try:
        return compiled(text).evaluate(dict(scope))
    except CELEvalError as error:
        raise EvaluationError(_reason(error)) from error


def _reason(error: CELEvalError) -> str:
    text = str(error.args[0])
    if match := re.search(r"no such member in mapping: '(.*?)'", text):
        return f"no such key: {match[1]}"
    if "does not support field selection" in text and error.tree is not None:
        return f"no such key: {error.tree.children[-1]}"
    if "no matching overload" in text:
        return "no such overload"
    return text


class Variables(celtypes.MapType):
    """The variables of a policy, each evaluated when somebody first looks."""

    def __init__(self, expressions: Mapping[str, str], scope: Mapping[str, Any]) -> None:
        super().__init__({})
        self._expressions = expressions
        self._scope = scope
        self._known: dict[str, Any] = {}

    def __contains__(self, name: object) -> bool:
        return str(name) in self._expressions

    def __getitem__(self, name: Any) -> Any:
        key = str(name)
        if key not in self._expressions:
            raise KeyError(key)
        if key not in self._known:
            self._known[key] = self._evaluated(key)
        return self._known[key]

    def _evaluated(self, name: str) -> Any:
        try:
            return evaluate(self._expressions[name], {**self._scope, "variables": self})
        except EvaluationError as error:  # in CEL errors are values: only who uses one fails
            return CELEvalError(f'composited variable "{name}" fails to evaluate: {error}')

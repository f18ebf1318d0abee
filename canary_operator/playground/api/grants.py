"""Which of the rights in some rules other rules do not give, in the words of the real server."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from canary_operator.playground.api.objects import Object

EVERYTHING = "*"


@dataclass(frozen=True)
class Right:
    """One verb on one thing."""

    verb: str
    group: str = ""
    resource: str = ""
    name: str | None = None
    url: str | None = None

    @property
    def thing(self) -> tuple[str, str, str | None, str | None]:
        """Return what the verb is about."""
        return self.group, self.resource, self.name, self.url


@dataclass(frozen=True)
class Grants:
    """What somebody holds."""

    rules: list[Object]

    def cover(self, right: Right) -> bool:
        """Tell whether one rule gives the whole right."""
        return any(_covers(rule, right) for rule in self.rules)


def rights(rules: Iterable[Object]) -> Iterator[Right]:
    """Iterate over the single rights of some rules."""
    for rule in rules:
        verbs = rule.get("verbs") or ()
        for url, verb in product(rule.get("nonResourceURLs") or (), verbs):
            yield Right(verb, url=url)
        things = product(
            rule.get("apiGroups") or (),
            rule.get("resources") or (),
            rule.get("resourceNames") or (None,),
        )
        for (group, resource, name), verb in product(things, verbs):
            yield Right(verb, group, resource, name)


def uncovered(wanted: Iterable[Object], held: Grants) -> list[str]:
    """Return the rights that are wanted and not held, a line for each thing."""
    missing: dict[tuple[str, str, str | None, str | None], list[str]] = {}
    for right in rights(wanted):
        if not held.cover(right):
            missing.setdefault(right.thing, []).append(right.verb)
    return sorted(_line(*thing, verbs) for thing, verbs in missing.items())


def _covers(rule: Object, right: Right) -> bool:
    if not _has(rule.get("verbs"), right.verb):
        return False
    if right.url is not None:
        return covers_url(rule.get("nonResourceURLs") or (), right.url)
    names = rule.get("resourceNames") or ()
    resources = rule.get("resources") or ()
    _, _, subresource = right.resource.partition("/")
    return bool(
        _has(rule.get("apiGroups"), right.group)
        and (_has(resources, right.resource) or (subresource and f"*/{subresource}" in resources))
        and (not names or right.name in names)
    )


def covers_url(patterns: Iterable[str], wanted: str) -> bool:
    """Tell whether a pattern of `nonResourceURLs` names a path.

    Example:
        >>> [covers_url(["/healthz", "/api*"], path) for path in ("/healthz", "/apis", "/metrics")]
        [True, True, False]
    """
    return any(
        pattern == wanted
        or (pattern.endswith("*") and wanted.startswith(pattern.removesuffix("*")))
        for pattern in patterns
    )


def _has(values: Iterable[str] | None, wanted: str) -> bool:
    return any(value in (EVERYTHING, wanted) for value in values or ())


def _line(group: str, resource: str, name: str | None, url: str | None, verbs: list[str]) -> str:
    spoken = " ".join(f'"{verb}"' for verb in verbs)
    if url is not None:
        return f'{{NonResourceURLs:["{url}"], Verbs:[{spoken}]}}'
    named = f'ResourceNames:["{name}"], ' if name is not None else ""
    return f'{{APIGroups:["{group}"], Resources:["{resource}"], {named}Verbs:[{spoken}]}}'

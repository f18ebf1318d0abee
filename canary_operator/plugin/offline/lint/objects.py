"""One object, as it was written: what its schema and its models refuse, in the same words."""

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from canary_operator.domain.errors import InvalidSpecError
from canary_operator.domain.objects import GROUP, KIND, VERSION
from canary_operator.domain.spec import RolloutSpec, check_name
from canary_operator.domain.spec.kind import Kind
from canary_operator.domain.spec.kinds import dns_label, labels
from canary_operator.domain.spec.problems import path, sentence
from canary_operator.domain.spec.schema import Place
from canary_operator.plugin.offline.documents import TEMPLATE_CODE
from canary_operator.plugin.offline.lint.findings import Severity
from canary_operator.plugin.offline.lint.rules import Candidate, Note, ObjectRule, Rule

API_VERSION = f"{GROUP}/{VERSION}"
TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")
SPEC_FIELDS = tuple(field.alias or name for name, field in RolloutSpec.model_fields.items())

EXAMPLES: Mapping[str, str] = {
    "template": "template: {spec: {containers: [{name: app, image: web:v1}]}}",
    "service": "service: {port: 80, targetPort: 8080}",
    "weight": "weight: 10",
    "image": "image: web:v1",
    "max": "max: 500ms",
    "port": "port: 80",
}
"""How a required field may look."""

_GENERATED = "x" * 5
"""As many characters as the API server adds to `generateName`."""


def wrong_api_version(at: Candidate) -> Iterator[Note]:
    """Another group or version is another kind of object, or none."""
    given = _raw(at).get("apiVersion")
    if given != API_VERSION:
        yield _value_note(("apiVersion",), given, f"must be {API_VERSION}")


def wrong_kind(at: Candidate) -> Iterator[Note]:
    """The group has one kind."""
    given = _raw(at).get("kind")
    if given != KIND:
        yield _value_note(("kind",), given, f"must be {KIND}")


def _value_note(place: Place, given: Any, must: str) -> Note:
    return Note(
        place, f"{path(place)} is required." if given is None else sentence(place, given, must)
    )


def wrong_metadata(at: Candidate) -> Iterator[Note]:
    """The operator makes Services of the name, and the API server reads labels as text."""
    meta = at.document.metadata
    generated = meta.get("generateName") if meta.get("name") is None else None
    if generated is not None:
        yield from _refused(("metadata", "generateName"), generated, _check_generated)
    elif meta.get("name") is None:
        yield Note(("metadata", "name"), "metadata.name is required.", "metadata: {name: web}")
    else:
        yield from _refused(("metadata", "name"), meta["name"], check_name)
    yield from _refused_by(dns_label(), at, ("metadata", "namespace"))
    yield from _refused_by(labels(), at, ("metadata", "labels"))
    yield from _refused_by(labels(), at, ("metadata", "annotations"))


def _refused_by(kind: Kind, at: Candidate, place: Place) -> Iterator[Note]:
    value = _value(at, place)
    try:
        if value is not None:
            kind.read(value)
    except ValueError:
        pointed = _pointed(at, place)
        yield Note(pointed, sentence(place, value, kind.message), _unquoted(at, pointed))


def _check_generated(prefix: Any) -> None:
    check_name(f"{prefix}{_GENERATED}")


def _refused(place: Place, value: Any, check: Callable[[Any], object]) -> Iterator[Note]:
    """Yield what a check says about a value, if it says something."""
    try:
        check(value)
    except InvalidSpecError as error:
        yield Note(place, error.message)


def unknown_fields(at: Candidate) -> Iterator[Note]:
    """A field that nobody reads was meant to do something."""
    for field in _raw(at):
        if field not in TOP_LEVEL:
            yield Note((field,), f"unknown field {field}; {_meant_by(field)}")
    yield from (note for note in _problems(at) if note.sentence.startswith("unknown field "))


def _meant_by(field: str) -> str:
    close = difflib.get_close_matches(field, (*TOP_LEVEL, *SPEC_FIELDS), n=1)
    if not close:
        return f"known are {', '.join(TOP_LEVEL)}."
    return f"did you mean {close[0] if close[0] in TOP_LEVEL else f'spec.{close[0]}'}?"


def missing_fields(at: Candidate) -> Iterator[Note]:
    """What a rollout cannot be without."""
    spec = _raw(at).get("spec")
    piece = isinstance(spec, Mapping) and not {"template", "service"} & spec.keys()
    for note in _problems(at):
        if note.sentence.endswith(" is required."):
            name = str(note.place[-1])
            yield Note(note.place, note.sentence, _WHOLE if piece else EXAMPLES.get(name, ""))


_WHOLE = (
    "If this is a piece that Kustomize or Helm completes, pipe the whole: "
    "kustomize build DIRECTORY | kubectl canary lint -f -"
)


def wrong_values(at: Candidate) -> Iterator[Note]:
    """Values, and combinations of them, that the models and the CRD refuse."""
    for note in _problems(at):
        unknown = note.sentence.startswith("unknown field ")
        if not unknown and not note.sentence.endswith(" is required."):
            pointed = _pointed(at, note.place)
            yield Note(pointed, note.sentence, _unquoted(at, pointed))


def _problems(at: Candidate) -> Iterable[Note]:
    return (Note(problem.place, problem.sentence) for problem in at.problems)


def _pointed(at: Candidate, place: Place) -> Place:
    """Return the place of the first entry of a map of text that is none."""
    value = _value(at, place)
    if place[-1] not in {"labels", "annotations"} or not isinstance(value, Mapping):
        return place
    wrong = (key for key, one in value.items() if one is not None and not isinstance(one, str))
    key = next(wrong, None)
    return place if key is None else (*place, key)


def _unquoted(at: Candidate, place: Place) -> str:
    """Say what YAML made of a word, where that is something else than what is written."""
    written, value = at.document.written(place), _value(at, place)
    if not written or isinstance(value, str):
        return ""
    read = json.dumps(value)
    if read != written:
        return f'YAML reads {written} as {read}; as text it is "{written}".'
    return f'As text it is "{written}".' if {"labels", "annotations"} & {*place} else ""


def _value(at: Candidate, place: Place) -> Any:
    found: Any = _raw(at)
    for part in place:
        if isinstance(found, Mapping):
            found = found.get(str(part))
        elif isinstance(found, list) and isinstance(part, int) and part < len(found):
            found = found[part]
        else:
            return None
    return found


def _raw(at: Candidate) -> Mapping[str, Any]:
    return at.document.raw or {}


def template_code(at: Candidate) -> Iterator[Note]:
    """Code of a Helm template inside of quotes is YAML, and yet nothing that may be applied."""
    found = next(_code_below((), at.document.raw), None)
    if found is not None:
        yield Note(
            found,
            f"{path(found)} has code of a Helm template, which is to be rendered first.",
            "helm template CHART | kubectl canary lint -f -",
        )


def _code_below(place: Place, value: Any) -> Iterator[Place]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _code_below((*place, key), one)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _code_below((*place, index), one)
    elif isinstance(value, str) and TEMPLATE_CODE.search(value):
        yield place


OBJECT_RULES: tuple[ObjectRule, ...] = (
    Rule("api-version", Severity.ERROR, wrong_api_version),
    Rule("kind", Severity.ERROR, wrong_kind),
    Rule("metadata", Severity.ERROR, wrong_metadata),
    Rule("unknown-field", Severity.ERROR, unknown_fields),
    Rule("missing-field", Severity.ERROR, missing_fields),
    Rule("invalid-value", Severity.ERROR, wrong_values),
)

TEMPLATE_RULE: ObjectRule = Rule("helm-template", Severity.ERROR, template_code)
"""Comes before all others, since a template that is not rendered keeps none of them."""

"""YAML text to trees: what it says as kubectl reads it, and what is wrong with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from canary_operator.domain.spec.problems import path
from canary_operator.plugin.offline.trees import (
    PLAIN_TAG,
    TEXT_TAG,
    Place,
    Tree,
    Trouble,
    key_of,
    merges,
    position_of,
    scalar_data,
)

try:  # libyaml is fast, and has the words that kubectl has for mistakes
    from yaml import CSafeLoader as BaseLoader
except ImportError:
    from yaml import SafeLoader as BaseLoader  # type: ignore[assignment]

DEEPEST = 100
"""Levels of nesting; far more than any manifest has, and far fewer than exhaust the stack."""

MOST_VALUES = 1_000_000
"""Values of one document with its aliases written out."""

SYNTAX, DUPLICATE = "yaml-syntax", "duplicate-key"

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_DIRECTIVE = re.compile(r"^%(YAML|TAG)\b.*", re.MULTILINE)
_JSON_TABS = re.compile(r"^\t+", re.MULTILINE)
_JSON_ESCAPE = re.compile(r"(?is)\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)")


class _Loader(BaseLoader):
    """Leaves it to us what an unquoted word means."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """Return the tag of a node that has none."""
        if kind is ScalarNode:
            return PLAIN_TAG if implicit[0] else TEXT_TAG
        return super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Chunk:
    """The text between two `---` lines."""

    text: str
    line: int
    """Of its beginning, from 1."""


def split(text: str) -> Iterator[Chunk]:
    """Yield the parts of a text, as kubectl takes it apart, so that one broken hides no other.

    Each has its `---` line; no such line can be inside of a value.
    """
    text = _DIRECTIVE.sub("", text)
    begin, line = 0, 1
    for end in [*(separator.start() for separator in _SEPARATOR.finditer(text)), len(text)]:
        if end > begin:
            yield Chunk(text[begin:end], line)
            line += text.count("\n", begin, end)
            begin = end


def parse(chunk: Chunk) -> Iterator[Tree]:
    """Yield what a part says: mostly one tree, and none where there are only comments."""
    text = chunk.text
    if text.lstrip().startswith(("{", "[")):
        text = _JSON_ESCAPE.sub(_one_sign, _JSON_TABS.sub(_blanks, text))
    try:
        _check_depth(text)
        nodes = [*yaml.compose_all(text, Loader=_Loader)]
    except _UnreadableError as error:
        yield Tree(None, None, chunk.line, (error.trouble(chunk.line),))
    except yaml.YAMLError as error:
        yield Tree(None, None, chunk.line, (_syntax_trouble(error, chunk),))
    else:
        trees = (_tree(node, chunk.line) for node in nodes if node is not None)
        yield from (tree for tree in trees if tree.data is not None or tree.troubles)


def _blanks(tabs: re.Match[str]) -> str:
    """JSON may be indented by tabs, YAML may not."""
    return " " * len(tabs[0])


def _one_sign(escape: re.Match[str]) -> str:
    """JSON writes a sign beyond 16 bits as two escapes, YAML as one."""
    high, low = escape.groups()
    if not high:
        return escape[0]
    code = 0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00
    return f"\\U{code:08x}"


class _UnreadableError(Exception):
    """A document cannot be read at all, although each of its lines is YAML."""

    def __init__(self, at: Any, sentence: str) -> None:
        super().__init__(sentence)
        self._at = at

    def trouble(self, first_line: int) -> Trouble:
        """Return it at its place in the file."""
        return Trouble(SYNTAX, *position_of(self._at, first_line), str(self))


def _check_depth(text: str) -> None:
    """Refuse a text that would take the parser more stack than there is.

    Raises:
        _UnreadableError: it is nested too deep.
        yaml.YAMLError: it is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise _UnreadableError(event, f"It is nested more than {DEEPEST} levels deep.")


def _syntax_trouble(error: yaml.YAMLError, chunk: Chunk) -> Trouble:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        line, column = error.problem_mark.line, error.problem_mark.column
        words = f"{error.problem}{_context(error, chunk.line)}"
    else:  # a sign that YAML does not allow: this error only counts characters
        before = chunk.text[: getattr(error, "position", 0)]
        line, column = before.count("\n"), len(before.rpartition("\n")[2])
        words = str(getattr(error, "reason", error))
    return Trouble(SYNTAX, chunk.line + line, column + 1, f"This is no YAML: {words}.")


def _context(error: yaml.MarkedYAMLError, first_line: int) -> str:
    """Return what was being read, for example ` while parsing a block mapping of line 3`."""
    if error.context is None or error.context_mark is None:
        return ""
    return f" {error.context} of line {first_line + error.context_mark.line}"


def _tree(node: Node, first_line: int) -> Tree:
    reading = _Reading(first_line)
    try:
        data, _ = reading.read(node, ())
    except _UnreadableError as error:
        return Tree(None, None, first_line, (*reading.troubles, error.trouble(first_line)))
    return Tree(data, node, first_line, tuple(reading.troubles))


@dataclass(slots=True)
class _Reading:
    """Makes data of nodes; what aliases share is read once."""

    first_line: int
    troubles: list[Trouble] = field(default_factory=list)
    known: dict[int, tuple[Any, int] | None] = field(default_factory=dict)
    """By node; None while a node is being read."""

    def read(self, node: Node, place: Place) -> tuple[Any, int]:
        """Return the data of a node, and of how many values it is made."""
        if isinstance(node, ScalarNode):
            return scalar_data(node), 1
        if id(node) not in self.known:
            self.known[id(node)] = None
            read = self._mapping if isinstance(node, MappingNode) else self._sequence
            self.known[id(node)] = read(node, place)
        found = self.known[id(node)]
        if found is None:
            raise _UnreadableError(node, "An alias in it points at what it is a part of.")
        if found[1] > MOST_VALUES:
            raise _UnreadableError(node, "Its aliases make it too large to be read.")
        return found

    def _sequence(self, node: Node, place: Place) -> tuple[Any, int]:
        items = [self.read(item, (*place, index)) for index, item in enumerate(node.value)]
        return [data for data, _ in items], 1 + sum(size for _, size in items)

    def _mapping(self, node: Node, place: Place) -> tuple[Any, int]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        total = 1
        for key_node, value_node in node.value:
            key = key_of(key_node)
            if key is None:
                raise _UnreadableError(key_node, "A list or a mapping cannot be a key.")
            self._check_unique((*place, key), key_node, lines)
            data, size = self.read(value_node, (*place, key))
            total += size
            if merges(key_node):
                merged = _fields_of(data)
            else:
                own[key] = data
        return merged | own, total

    def _check_unique(self, place: Place, key: Node, lines: dict[str, int]) -> None:
        line, column = position_of(key, self.first_line)
        name = str(place[-1])
        if name in lines:
            sentence = f"{path(place)} is written twice; the first is in line {lines[name]}."
            self.troubles.append(Trouble(DUPLICATE, line, column, sentence, "Keep one of them."))
        lines.setdefault(name, line)


def _fields_of(merged: Any) -> dict[str, Any]:
    """Return the fields that `<<` takes over; of several mappings the first counts."""
    fields: dict[str, Any] = {}
    for one in merged if isinstance(merged, list) else [merged]:
        fields = {**one, **fields} if isinstance(one, dict) else fields
    return fields

"""A YAML document with positions: from a place in an object to the line that says it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from canary_operator.plugin.offline.scalars import key_text, read_scalar

Place = tuple[str | int, ...]
"""Where in an object: `("spec", "strategy", "steps", 1, "weight")`."""

Position = tuple[int, int]
"""Line and column, both from 1."""

STANDARD_TAG = "tag:yaml.org,2002:"
PLAIN_TAG = f"{STANDARD_TAG}plain"
"""Our own tag of unquoted words, whose kind `read_scalar` tells."""
TEXT_TAG = f"{STANDARD_TAG}str"
_WORD_TAGS = frozenset({PLAIN_TAG, *(STANDARD_TAG + kind for kind in ("bool", "int", "float"))})


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a document from being read, or from being read as it was meant."""

    rule: str
    """Short name of its kind, such as `duplicate-key`."""
    line: int
    column: int
    sentence: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Tree:
    """One YAML document: its data, and where each part of it stands."""

    data: Any
    """As JSON has it; None where the text could not be read."""
    node: Node | None
    first_line: int
    """Line of the file at which the text begins that `node` was read from."""
    troubles: tuple[Trouble, ...] = ()

    def position(self, place: Place) -> Position:
        """Return where a key or an entry of a list stands; for a missing one its parent."""
        where, _ = _find(self.node, place)
        return (self.first_line, 1) if where is None else position_of(where, self.first_line)

    def written(self, place: Place) -> str | None:
        """Return an unquoted word as it was written; None for everything else."""
        _, value = _find(self.node, place)
        return str(value.value) if value is not None and value.tag == PLAIN_TAG else None


def position_of(node: Any, first_line: int) -> Position:
    """Return where a node or an event begins."""
    return first_line + node.start_mark.line, node.start_mark.column + 1


def scalar_data(node: ScalarNode) -> Any:
    """Return the value of a scalar; tags that are not YAML's own are taken for text."""
    return read_scalar(node.value) if node.tag in _WORD_TAGS else node.value


def key_of(node: Node) -> str | None:
    """Return a key as kubectl sends it; None for one that is a list or a mapping."""
    return key_text(scalar_data(node)) if isinstance(node, ScalarNode) else None


def merges(key: Node) -> bool:
    """Whether a key is `<<`, which takes over the fields of other mappings."""
    return key.tag == PLAIN_TAG and key.value == "<<"


def _find(node: Node | None, place: Place) -> tuple[Node | None, Node | None]:
    """Return the node to point at, and the value there; of a missing one the parent and None."""
    where = value = node
    for part in place:
        key, value = next(_entries(value, part), (None, None))
        if value is None:
            break
        where = key or value
    return where, value


def _entries(node: Node | None, part: str | int) -> Iterator[tuple[Node | None, Node]]:
    """Yield key and value of an entry; the one that counts comes first."""
    match node:
        case SequenceNode() if isinstance(part, int) and part < len(node.value):
            yield None, node.value[part]
        case MappingNode():
            yield from ((k, v) for k, v in reversed(node.value) if key_of(k) == part)
            for key, merged in node.value:
                if merges(key):
                    several = merged.value if isinstance(merged, SequenceNode) else [merged]
                    for one in several:
                        yield from _entries(one, part)

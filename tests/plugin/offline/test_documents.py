"""Manifests: what is read as kubectl reads it, and where each field stands."""

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from canary_operator.plugin.exits import Exit, PluginError
from canary_operator.plugin.offline import parsing
from canary_operator.plugin.offline.documents import Document, read_documents, rollouts_of
from canary_operator.plugin.offline.parsing import DEEPEST, Chunk, parse, split
from canary_operator.plugin.offline.scalars import read_scalar
from canary_operator.plugin.offline.trees import Tree

ROLLOUT = """\
# A comment comes first.
apiVersion: canary-operator.dev/v1alpha1
kind: CanaryRollout
metadata:
  name: web
  labels: {app: "web", canary: on}
spec:
  service: &ports
    port: 80
  strategy:
    steps:
    - {weight: 5, hold: 1m}
    - weight: 0x14
      hold: >
        a folded
        text
  copy:
    <<: *ports
    targetPort: http
"""


@pytest.fixture(params=["libyaml", "pure Python"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with both parsers: not every machine has libyaml."""
    if request.param == "pure Python":
        resolve = parsing._Loader.resolve
        slow = type("_Slow", (yaml.SafeLoader,), {})
        slow.resolve = lambda self, kind, value, implicit: (  # type: ignore[attr-defined]
            resolve(self, kind, value, implicit)
            if kind is yaml.ScalarNode
            else yaml.SafeLoader.resolve(self, kind, value, implicit)
        )
        monkeypatch.setattr(parsing, "_Loader", slow)


def tree(text: str) -> Tree:
    (found,) = (one for chunk in split(text) for one in parse(chunk))
    return found


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def read(path: Path) -> list[Document]:
    return [*read_documents([str(path)])]


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("place", "position"),
    [
        pytest.param((), (2, 1), id="the object begins at its first key"),
        pytest.param(("kind",), (3, 1), id="a key"),
        pytest.param(("metadata", "labels", "canary"), (6, 24), id="a key in braces"),
        pytest.param(("spec", "strategy", "steps", 0), (12, 7), id="an entry of a list"),
        pytest.param(("spec", "strategy", "steps", 0, "hold"), (12, 19), id="in an entry"),
        pytest.param(("spec", "strategy", "steps", 1, "weight"), (13, 7), id="in the next one"),
        pytest.param(("spec", "strategy", "steps", 2, "weight"), (11, 5), id="beyond a list"),
        pytest.param(("spec", "template", "spec"), (7, 1), id="what is missing: its parent"),
        pytest.param(("spec", "copy", "port"), (9, 5), id="what a merge brought: where it is"),
        pytest.param(("spec", "copy", "targetPort"), (19, 5), id="beside a merge"),
        pytest.param(("metadata", "name", 3, "x"), (5, 3), id="below a text"),
        pytest.param(("nothing",), (2, 1), id="nowhere"),
    ],
)
def test_every_place_has_a_position(place: tuple[str | int, ...], position: Any) -> None:
    assert tree(ROLLOUT).position(place) == position


@pytest.mark.usefixtures("loader")
def test_data_is_what_kubectl_sends() -> None:
    assert tree(ROLLOUT).data["spec"] == {
        "service": {"port": 80},
        "strategy": {
            "steps": [{"weight": 5, "hold": "1m"}, {"weight": 20, "hold": "a folded text\n"}]
        },
        "copy": {"port": 80, "targetPort": "http"},
    }
    assert tree(ROLLOUT).data["metadata"]["labels"] == {"app": "web", "canary": True}


@pytest.mark.parametrize(
    ("place", "word"),
    [
        pytest.param(("metadata", "labels", "canary"), "on", id="unquoted"),
        pytest.param(("metadata", "labels", "app"), None, id="quoted"),
        pytest.param(("spec", "strategy", "steps", 1, "weight"), "0x14", id="as it was written"),
        pytest.param(("spec", "strategy", "steps", 1, "hold"), None, id="folded"),
        pytest.param(("spec", "service"), None, id="no word"),
        pytest.param(("spec", "template"), None, id="missing"),
    ],
)
def test_a_word_is_known_as_it_was_written(place: Any, word: str | None) -> None:
    assert tree(ROLLOUT).written(place) == word


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("~", None),
        ("null", None),
        ("", None),
        ("0644", 420),
        ("08", 8.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("-0b11", -3),
        ("1_000", 1000),
        ("+5", 5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.20", 1.2),
        ("-.inf", float("-inf")),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1m", "1m"),
        ("web:1.2", "web:1.2"),
        ("-", "-"),
        ("99999999999999999999", 99999999999999999999),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_an_unquoted_word_means_what_it_means_to_kubectl(word: str, value: Any) -> None:
    assert read_scalar(word) == value
    assert type(read_scalar(word)) is type(value)


@pytest.mark.usefixtures("loader")
@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        pytest.param("a: [1\nb: 2\n", 2, 2, "of line 1.", id="an open list"),
        pytest.param("a: 1\n b: 2\n", 2, 3, "mapping values are not allowed", id="indentation"),
        pytest.param("a: \x01b", 1, 4, "characters are not allowed", id="a control character"),
        pytest.param("a: &x {b: *x}", 1, 4, "a part of", id="an alias of itself"),
        pytest.param("[" * 200, 1, DEEPEST + 1, "levels deep", id="endless depth"),
        pytest.param("a:\n- {[]: 1}", 2, 4, "cannot be a key", id="a key that is a list"),
        pytest.param("a: 1\n? {b: 1}\n: 2\n", 2, 3, "cannot be a key", id="a key that is a map"),
    ],
)
def test_what_is_no_yaml_is_told_at_its_line(text: str, line: int, column: int, words: str) -> None:
    found = tree(text)
    assert found.data is None
    (trouble,) = found.troubles
    assert (trouble.rule, trouble.line, trouble.column) == ("yaml-syntax", line, column)
    assert words in trouble.sentence


def test_a_bomb_of_aliases_is_not_written_out() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (trouble,) = tree("\n".join(lines)).troubles
    assert "too large" in trouble.sentence


def test_a_key_that_is_there_twice_is_told() -> None:
    found = tree("a:\n  b: 1\n  c: 2\n  'b': 3\n")
    assert found.data == {"a": {"b": 3, "c": 2}}
    (trouble,) = found.troubles
    assert (trouble.rule, trouble.line, trouble.column) == ("duplicate-key", 4, 3)
    assert trouble.sentence == "a.b is written twice; the first is in line 2."
    assert found.position(("a", "b")) == (4, 3)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        pytest.param('{\n\t"a": [1,\n\t2]\n}', {"a": [1, 2]}, id="JSON with tabs"),
        pytest.param('{"a":"b"}', {"a": "b"}, id="JSON without blanks"),
        pytest.param("a: !Ref b\nc: !!str 1\nd: !!int 1", {"a": "b", "c": "1", "d": 1}, id="tags"),
        pytest.param("%YAML 1.1\n---\na: 1\n", {"a": 1}, id="a directive"),
        pytest.param(
            "on: 1\n1: 2\n1.50: 3\n~: 4",
            dict(zip(["true", "1", "1.5", "null"], [1, 2, 3, 4], strict=True)),
            id="keys become text",
        ),
        pytest.param(
            "a: &x {b: 1}\nc: {<<: [*x, {b: 2, d: 3}], d: 4}",
            {"a": {"b": 1}, "c": {"b": 1, "d": 4}},
            id="merges",
        ),
        pytest.param("a: 1\r\nb: 2", {"a": 1, "b": 2}, id="lines of Windows"),
    ],
)
@pytest.mark.usefixtures("loader")
def test_unusual_texts_are_read(text: str, data: Any) -> None:
    assert tree(text).data == data
    assert tree(text).troubles == ()


KEYS = st.text(max_size=80)
"""YAML reads keys of at most 1,024 characters, escapes and all; the API server does no more."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(JSON)
def test_json_is_yaml(value: Any) -> None:
    assert tree(json.dumps([value], ensure_ascii=True)).data == [value]


@given(st.text(alphabet="ab:-{}[]&*!'\"|>%#, \n\t<?", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    trees = [one for chunk in split(text) for one in parse(chunk)]
    for one in trees:
        assert all(trouble.line >= 1 and trouble.column >= 1 for trouble in one.troubles)
        assert one.position(("a", 0, "b")) >= (1, 1)


@given(st.lists(st.sampled_from(["a: 1", "# b", "", "--- # c", "---", "- d", "|"]), max_size=12))
def test_chunks_are_the_whole_text_and_know_their_lines(lines: list[str]) -> None:
    text = "\n".join(lines)
    chunks = [*split(text)]
    assert "".join(chunk.text for chunk in chunks) == text
    for index, chunk in enumerate(chunks):
        before = sum(one.text.count("\n") for one in chunks[:index])
        assert chunk.line == 1 + before
    assert Chunk("", 1) not in chunks


def test_a_broken_document_hides_no_other(tmp_path: Path) -> None:
    written(tmp_path, {"a.yaml": "kind: A\n---\nkind: [\n---\n# nothing\n---\nkind: C\n"})
    first, broken, last = read(tmp_path / "a.yaml")
    assert (first.kind, first.line, last.kind, last.line) == ("A", 1, "C", 7)
    assert (broken.raw, broken.problems[0].line) == (None, 4)


def test_the_items_of_a_list_are_objects_of_their_own(tmp_path: Path) -> None:
    text = """\
kind: List
items:
- kind: Service
  metadata: {name: web, name: web}
- kind: CanaryRollout
  metadata: {name: web}
- kind: ServiceList
  items:
  - kind: Service
    metadata: {name: deep, namespace: demo}
"""
    written(tmp_path, {"a.yaml": text})
    service, rollout, deep = read(tmp_path / "a.yaml")
    assert [one.name for one in (service, rollout, deep)] == ["web", "web", "deep"]
    assert [one.line for one in (service, rollout, deep)] == [3, 5, 9]
    assert rollout.position(("metadata", "name")) == (6, 14)
    assert deep.namespace == "demo"
    assert service.problems == (), "told with the CanaryRollout"
    assert [trouble.line for trouble in rollout.problems] == [4]


def test_helm_says_which_template_an_object_comes_from(tmp_path: Path) -> None:
    text = "---\n# Source: shop/templates/web.yaml\nkind: A\n---\nkind: B\n"
    written(tmp_path, {"a.yaml": text})
    assert [one.source for one in read(tmp_path / "a.yaml")] == ["shop/templates/web.yaml", None]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("kind: A\nname: {{ .Values.name }}\n", 2, id="a value"),
        pytest.param("kind: A\nlabels:\n  {{- include `x` . | nindent 2 }}\n", 3, id="an include"),
        pytest.param("{{- if .Values.on }}\nkind: A\n{{- end }}\n", 1, id="a condition"),
        pytest.param("{{- if .x }}\nkind: A\n---\n{{ end }}\n", 1, id="one hint for a file"),
    ],
)
def test_a_template_of_helm_is_known_as_one(tmp_path: Path, text: str, line: int) -> None:
    written(tmp_path, {"a.yaml": text})
    (document,) = read(tmp_path / "a.yaml")
    assert [(one.rule, one.line) for one in document.problems] == [("helm-template", line)]


def test_a_broken_query_is_no_template(tmp_path: Path) -> None:
    written(tmp_path, {"a.yaml": "promql: {{ canary }}\n"})
    (document,) = read(tmp_path / "a.yaml")
    assert [one.rule for one in document.problems] == ["yaml-syntax"]


def test_directories_are_read_in_their_order_without_what_is_hidden(tmp_path: Path) -> None:
    files = ["b.yaml", "a.json", "c.yml", "d.txt", ".e.yaml", ".git/f.yaml", "g/h.yaml"]
    written(tmp_path, dict.fromkeys(files, '{"kind": "X"}'))
    names = [Path(one.file).relative_to(tmp_path).as_posix() for one in read(tmp_path)]
    assert names == ["a.json", "b.yaml", "c.yml", "g/h.yaml"]


def test_in_a_directory_only_our_objects_have_to_be_right(tmp_path: Path) -> None:
    ours = "apiVersion: canary-operator.dev/v1alpha1\nkind: [\n"
    written(tmp_path, {"ansible.yaml": "{% if x %}\na: 1\n", "ours.yaml": ours})
    (tmp_path / "latin.yaml").write_bytes(b"kind: \xe9\n")
    assert [Path(one.file).name for one in read(tmp_path)] == ["ours.yaml"]
    assert len(read(tmp_path / "ansible.yaml")) == 1, "unless somebody asks"


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\n",
    "values.yaml": "replicas: 2\n",
    "templates/web.yaml": "apiVersion: canary-operator.dev/v1alpha1\n{{- if .Values.on }}\n",
}


def test_a_chart_is_not_read_but_named(tmp_path: Path) -> None:
    (chart, *others) = read(written(tmp_path / "web", CHART))
    assert [one.rule for one in chart.problems] == ["helm-chart"]
    assert f"helm template {tmp_path / 'web'} |" in chart.problems[0].fix
    assert all("templates" not in one.file for one in others)


def test_a_chart_of_something_else_is_not_named(tmp_path: Path) -> None:
    written(tmp_path, {**CHART, "templates/web.yaml": "kind: {{ x }}\n"})
    assert [one.problems for one in read(tmp_path) if one.problems] == []


KUSTOMIZATION = """\
resources: [rollout.yaml, ../other, "inline: |\\n"]
patches:
- path: patch.yaml
- patch: |-
    kind: X
patchesStrategicMerge: [more.yaml]
"""


@pytest.mark.parametrize(
    ("file", "listed", "patch"),
    [
        ("overlay/rollout.yaml", True, False),
        ("overlay/patch.yaml", True, True),
        ("overlay/more.yaml", True, True),
        ("overlay/free.yaml", False, False),
    ],
)
def test_a_kustomization_tells_pieces_from_wholes(
    tmp_path: Path, file: str, listed: bool, patch: bool
) -> None:
    written(tmp_path, {"overlay/kustomization.yaml": KUSTOMIZATION, file: "kind: X\n"})
    for path in (tmp_path / file, tmp_path):
        document = next(one for one in read(path) if one.kind == "X")
        assert (document.kustomization is not None, document.patch) == (listed, patch)


def test_a_kustomization_may_list_files_of_folders_below(tmp_path: Path) -> None:
    text = "patches: [{path: patches/web.yaml}]\n"
    written(tmp_path, {"kustomization.yaml": text, "patches/web.yaml": "kind: X\n"})
    (document,) = read(tmp_path / "patches" / "web.yaml")
    assert document.patch


@pytest.mark.parametrize("text", ["[", "- a\n", "patches: {path: x}\n", "patches: [3]\n", ""])
def test_an_odd_kustomization_lists_nothing(tmp_path: Path, text: str) -> None:
    written(tmp_path, {"kustomization.yaml": text, "a.yaml": "kind: X\n"})
    (document,) = read(tmp_path / "a.yaml")
    assert document.kustomization is None


def test_standard_input_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO("\ufeffkind: Ä\n".encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    (document,) = read_documents(["-"])
    assert (document.file, document.kind) == ("stdin", "Ä")


def test_a_file_that_is_no_text_is_told_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: \xff\n")
    (document,) = read(tmp_path / "a.yaml")
    assert [(one.rule, one.line) for one in document.problems] == [("yaml-syntax", 2)]


@pytest.mark.parametrize("name", ["missing.yaml", "missing/a.yaml"])
def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="No such file") as refused:
        read(tmp_path / name)
    assert refused.value.exit_code == Exit.IMPOSSIBLE


def test_what_is_no_object_has_no_fields(tmp_path: Path) -> None:
    written(tmp_path, {"a.yaml": "- a\n---\nkind: [3]\nmetadata: web\n"})
    for document in read(tmp_path / "a.yaml"):
        empty = (document.kind, document.name, document.namespace, document.api_version)
        assert empty == ("", "", "", "")
        assert document.written(("a",)) is None


def test_rollouts_are_found_among_others(tmp_path: Path) -> None:
    written(tmp_path, {"a.yaml": ROLLOUT, "b.yaml": "kind: Service\n"})
    (rollout,) = rollouts_of([str(tmp_path)])
    assert (rollout.name, rollout.line) == ("web", 2)


@pytest.mark.parametrize(
    ("files", "words", "code"),
    [
        pytest.param(
            {"a.yaml": f"{ROLLOUT}---\na: [\n"}, "a.yaml:22:1: This is no YAML", 1, id="broken"
        ),
        pytest.param({"a.yaml": "kind: Service\n"}, "no CanaryRollout in", 3, id="none"),
        pytest.param(CHART, "helm template", 3, id="a chart"),
        pytest.param(
            {"kustomization.yaml": "patches: [{path: a.yaml}]\n", "a.yaml": ROLLOUT},
            "patch of a kustomization",
            3,
            id="a patch",
        ),
    ],
)
def test_without_a_whole_rollout_it_says_why(
    tmp_path: Path, files: Mapping[str, str], words: str, code: int
) -> None:
    written(tmp_path, files)
    with pytest.raises(PluginError) as refused:
        rollouts_of([str(tmp_path)])
    assert words in refused.value.message
    assert refused.value.exit_code == code

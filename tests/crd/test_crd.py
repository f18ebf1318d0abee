from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import BaseModel, Field

from canary_operator.crd import CRD_FILE, custom_resource_definition, difference, main, to_yaml
from canary_operator.openapi import structural_schema

MOST_BYTES = 200_000
"""Client-side apply keeps the whole object in an annotation of at most 256 KiB."""

VERSION = custom_resource_definition()["spec"]["versions"][0]
ROOT = VERSION["schema"]["openAPIV3Schema"]
SPEC, STATUS = ROOT["properties"]["spec"], ROOT["properties"]["status"]


def schemas_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for below in schema.get("properties", {}).values():
        yield from schemas_of(below)
    for below in (schema.get("items"), schema.get("additionalProperties")):
        if below:
            yield from schemas_of(below)


def test_the_file_says_what_the_models_say() -> None:
    assert difference(CRD_FILE) == "", "stale: run `make generate`"


def test_the_file_is_small_enough_for_client_side_apply() -> None:
    assert CRD_FILE.stat().st_size < MOST_BYTES


def test_the_spec_gets_no_defaults() -> None:
    assert [schema for schema in schemas_of(SPEC) if "default" in schema] == []


def test_the_status_defaults_to_not_seen_yet() -> None:
    assert STATUS["default"] == {"observedGeneration": -1}
    assert STATUS["properties"]["observedGeneration"]["default"] == -1


def test_every_rule_has_a_message() -> None:
    rules = [
        rule for schema in schemas_of(ROOT) for rule in schema.get("x-kubernetes-validations", ())
    ]
    assert rules
    assert all(rule["message"] and "\n" not in rule["message"] for rule in rules)


def test_every_list_says_how_it_is_merged() -> None:
    lists = [schema for schema in schemas_of(ROOT) if schema.get("type") == "array"]
    assert all("x-kubernetes-list-type" in schema for schema in lists)


def test_every_list_and_text_under_a_rule_is_bounded() -> None:
    """Without bounds the API server refuses the definition: the rules might cost too much."""
    spec = [schema for schema in schemas_of(SPEC) if "x-kubernetes-validations" in schema]
    texts = [schema for schema in spec if schema.get("type") == "string"]
    assert all("maxLength" in schema for schema in texts)
    lists = [schema for schema in schemas_of(SPEC) if schema.get("type") == "array"]
    assert all("maxItems" in schema for schema in lists)


def test_every_field_of_the_spec_is_described() -> None:
    undescribed = [
        name
        for schema in schemas_of(SPEC)
        for name, field in schema.get("properties", {}).items()
        if not field.get("description")
    ]
    assert undescribed == []


def test_the_pod_template_is_open_below_its_named_fields() -> None:
    template = SPEC["properties"]["template"]["properties"]
    pod_spec = template["spec"]
    container = pod_spec["properties"]["containers"]["items"]
    for schema in (template["metadata"], pod_spec, container):
        assert schema["x-kubernetes-preserve-unknown-fields"] is True


def test_printer_columns() -> None:
    columns = VERSION["additionalPrinterColumns"]
    assert [column["name"] for column in columns if not column.get("priority")] == [
        *("Phase", "Weight", "Step", "Ready", "Age"),
    ]
    assert [column["name"] for column in columns if column.get("priority")] == [
        *("Stable", "Canary", "Message"),
    ]


def test_the_file_has_no_aliases() -> None:
    shared = {"type": "string"}
    assert yaml.safe_load(to_yaml({"a": shared, "b": shared})) == {"a": shared, "b": shared}
    assert "&" not in to_yaml({"a": shared, "b": shared})


def test_the_command_prints_the_definition(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == custom_resource_definition()


def test_the_check_passes_on_a_fresh_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = tmp_path / "crd.yaml"
    fresh.write_text(to_yaml(custom_resource_definition()))
    assert main(["--check", "--file", str(fresh)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("exists", [True, False], ids=["stale", "missing"])
def test_the_check_shows_what_differs(
    exists: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "crd.yaml"
    if exists:
        stale.write_text(
            to_yaml(custom_resource_definition()).replace("maximum: 100", "maximum: 9")
        )
    assert main(["--check", "--file", str(stale)]) == 1
    out = capsys.readouterr().out
    assert "maximum: 100" in out
    assert f"> {stale}" in out


class WithChoice(BaseModel):
    choice: int | str


class WithMultiple(BaseModel):
    even: Annotated[int, Field(multiple_of=2)]


@pytest.mark.parametrize("model", [WithChoice, WithMultiple])
def test_what_a_definition_cannot_say_is_an_error(model: type[BaseModel]) -> None:
    with pytest.raises(ValueError, match="a CRD cannot express"):
        structural_schema(model)

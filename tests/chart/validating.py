"""What the schemas of an API server say to a document."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

MONITORING = yaml.safe_load(Path(__file__).with_name("monitoring.yaml").read_text())

# It reads megabytes of definitions for each document otherwise.
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)

OLDEST, NEWEST = "1.30", kubernetes_validate.latest_version()
"""Of those that have every kind of the chart; 1.29 lacks the admission policy only."""


def validate(document: dict[str, Any], version: str) -> None:
    """Check one document strictly: no field that the schema does not know.

    Raises:
        jsonschema.ValidationError: it is wrong.
        kubernetes_validate.SchemaNotFoundError: the version has no such kind.
    """
    if document["apiVersion"] != "monitoring.coreos.com/v1":
        kubernetes_validate.validate(document, version, strict=True)
        return
    kind = document["kind"]
    schema = {**MONITORING["kinds"][kind], "definitions": MONITORING["definitions"]}
    jsonschema.Draft7Validator(schema).validate(document["spec"])

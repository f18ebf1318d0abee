"""YAML as Kubernetes reads it: times stay strings."""

from typing import Any

import yaml

from canary_operator.playground.api.jsontypes import read_json


class Loader(yaml.SafeLoader):
    """The safe loader without a type for times."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(data: bytes) -> Any:
    """Read one YAML document; JSON, which most clients send under this type, is read faster.

    Raises:
        yaml.YAMLError: the text is no YAML.
    """
    try:
        return read_json(data)
    except ValueError:
        return yaml.load(data, Loader)  # noqa: S506 - a SafeLoader

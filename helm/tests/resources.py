"""Objects of our kinds against our definitions, without an API server."""

from __future__ import annotations

import jsonschema
import yaml
from conftest import DEFINITIONS
from values_schema import schema_of_resource

DEFINITIONS_BY_KIND = {
    definition["spec"]["names"]["kind"]: definition
    for definition in (yaml.safe_load(path.read_text()) for path in DEFINITIONS.glob("*.yaml"))
}


def errors_of(resource: dict) -> list[str]:
    """What is wrong with an object of one of our kinds; fields that nobody knows are wrong too."""
    definition = DEFINITIONS_BY_KIND[resource["kind"]]
    version = resource["apiVersion"].rsplit("/", 1)[-1]
    assert resource["apiVersion"] == f"{definition['spec']['group']}/{version}"
    assert version in [one["name"] for one in definition["spec"]["versions"] if one["served"]]
    validator = jsonschema.Draft7Validator(schema_of_resource(definition))
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in validator.iter_errors(resource.get("spec", {}))
    ]

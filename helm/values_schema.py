"""JSON schemas of chart values: from annotated `values.yaml`, and from custom resource definitions.

The annotations are those of the `helm-schema` tool, so that editors and people know them:

    # @schema
    # enum: [IfNotPresent, Always]
    # @schema
    # -- What it is for.
    key: value

What is between the two marks is JSON Schema in YAML; it wins over what follows from the value.
Two words are ours: `$field: queues.beamline.dev/autostart` has the schema of a field of a spec, and
`$map: devices.beamline.dev` that of specs by the name of their object.
"""

from __future__ import annotations

from typing import Any

import yaml

Schema = dict[str, Any]

MARK = "# @schema"
DESCRIPTION = "# --"

# A parent chart hands these down; they are no values of ours.
FROM_A_PARENT: Schema = {
    "global": {"type": "object", "description": "Values that a parent chart shares with all."},
    "enabled": {"type": "boolean", "description": "For the `condition` of a parent chart."},
}


def schema_of_values(text: str, definitions: dict[str, Schema]) -> Schema:
    """The schema of annotated values; `definitions` are those that annotations may name."""
    schema = _object(yaml.compose(text), text.splitlines(), "values")
    return _with_kinds(schema, definitions)


def whole(properties: Schema, title: str) -> Schema:
    """A `values.schema.json`: nothing but the known properties and what comes from a parent."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        "type": "object",
        "additionalProperties": False,
        "properties": {**FROM_A_PARENT, **properties},
    }


def _with_kinds(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    if field := schema.pop("$field", None):
        kind, name = field.split("/")
        of_field = schema_of_resource(definitions[kind])["properties"][name]
        return {**of_field, "description": schema["description"]}
    if kind := schema.pop("$map", None):
        spec = schema_of_resource(definitions[kind])
        # What is required is said by the name of the object, or missed by the API server.
        return {**schema, "type": "object", "additionalProperties": {**spec, "required": []}}
    properties = schema.get("properties", {})
    for name, child in properties.items():
        properties[name] = _with_kinds(child, definitions)
    return schema


def _object(node: yaml.MappingNode, lines: list[str], path: str) -> Schema:
    properties = {}
    for key, value in node.value:
        name = key.value
        properties[name] = _property(key, value, lines, f"{path}.{name}")
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _property(key: yaml.Node, value: yaml.Node, lines: list[str], path: str) -> Schema:
    given, description = _annotations(_comment_above(lines, key.start_mark.line), path)
    known = {"type", "$field"} & given.keys()
    schema = _from_value(value, lines, path, known=bool(known))
    if description:
        schema["description"] = description
    return {**schema, **given}


def _from_value(value: yaml.Node, lines: list[str], path: str, known: bool) -> Schema:
    if isinstance(value, yaml.MappingNode):
        return _object(value, lines, path) if value.value else {"type": "object"}
    if isinstance(value, yaml.SequenceNode):
        return {"type": "array"}
    kind = value.tag.rsplit(":", 1)[-1]
    if kind == "null" and not known:
        raise ValueError(f"{path} is null: say its type in an annotation")
    names = {"str": "string", "bool": "boolean", "int": "integer", "float": "number"}
    return {} if known else {"type": names[kind]}


def _comment_above(lines: list[str], line: int) -> list[str]:
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return [text.strip() for text in lines[first:line]]


def _annotations(comment: list[str], path: str) -> tuple[Schema, str]:
    inside, schema, description, describing = False, [], [], False
    for text in comment:
        if text == MARK:
            inside, describing = not inside, False
        elif inside:
            schema.append(text.removeprefix("#").removeprefix(" "))
        elif text.startswith(DESCRIPTION):
            describing = True
            description = [text.removeprefix(DESCRIPTION).strip()]
        elif describing:
            description.append(text.removeprefix("#").strip())
    if inside:
        raise ValueError(f"{path}: the annotation has no end")
    return yaml.safe_load("\n".join(schema)) or {}, " ".join(description)


def schema_of_resource(definition: Schema, part: str = "spec") -> Schema:
    """The schema of a part of a kind. Unknown fields are errors in it, as in `kubectl apply`."""
    return json_schema(structural_schema(definition, part))


def structural_schema(definition: Schema, part: str = "spec") -> Schema:
    """The schema of a part of a kind as its definition has it."""
    version = next(v for v in definition["spec"]["versions"] if v["storage"])
    return version["schema"]["openAPIV3Schema"]["properties"][part]


def json_schema(schema: Schema, optional: bool = False) -> Schema:
    """JSON Schema for a structural schema of Kubernetes. What is optional may also be null."""
    out = {k: v for k, v in schema.items() if not k.startswith("x-kubernetes-")}
    nullable = out.pop("nullable", False) or optional
    out.pop("default", None)
    if schema.get("x-kubernetes-int-or-string"):
        out["type"] = ["integer", "string"]
    if "properties" in schema:
        required = set(schema.get("required", []))
        out["properties"] = {
            name: json_schema(child, name not in required)
            for name, child in schema["properties"].items()
        }
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            out["additionalProperties"] = False
    if isinstance(schema.get("additionalProperties"), dict):
        out["additionalProperties"] = json_schema(schema["additionalProperties"])
    if "items" in schema:
        out["items"] = json_schema(schema["items"])
    if nullable and "type" in out:
        types = out["type"] if isinstance(out["type"], list) else [out["type"]]
        out["type"] = [*types, "null"]
        if "enum" in out:
            out["enum"] = [*out["enum"], None]
    return out

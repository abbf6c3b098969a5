"""The values of the chart `beamline` that are the spec of its Beamline, from its definition.

A value has the name, the default and the words of its field, so whatever the operator learns is a
value at once. Environment variables come from the executable, which says which ones it reads.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from dataclasses import dataclass

from values_schema import Schema, json_schema, structural_schema

Value = dict | list | str | float | bool | None

WIDTH = 100
ENV = "env"
ENVIRONMENT = (
    "More environment of the container, by name; it wins over what the operator sets. "
    "A value, or `{valueFrom: …}` as in a pod."
)

# Which command runs a part that has an environment, by the part's path in the spec.
COMMANDS = {
    ("registry",): "registry",
    ("control",): "control",
    ("queue",): "queue",
    ("queue", "worker"): "worker",
    ("simIoc",): "sim-ioc",
}
# The operator sets these itself: addresses that its services stand for, and who a pod is.
OF_THE_OPERATOR = re.compile(
    r"BEAMLINE_(?!LOG)|(CONFIG|DIRECT_CONTROL|OAS)_(HOST|PORT)$"
    r"|QSERVER_(HTTP|ZMQ_(CONTROL|INFO))_ADDRESS|QSERVER_WORKER_ADDRESS$"
)
# These are fields of their own.
FIELDS = {
    "CONFIG_LOAD_STRATEGY",
    "CONFIG_LOCK_LEASE_TTL_SECONDS",
    "CONFIG_PROFILE_PATH",
    "CONFIG_RUNTIME_EDITS",
    "DIRECT_CONTROL_GLOBAL_READ_ONLY",
    "QSERVER_QUEUE",
}

VALUE_FROM: Schema = {
    "type": "object",
    "required": ["valueFrom"],
    "properties": {"valueFrom": {"type": "object", "minProperties": 1, "maxProperties": 1}},
    "additionalProperties": False,
}
SCALARS = ["string", "number", "boolean", "array", "null"]


@dataclass(frozen=True)
class Variable:
    """An environment variable that a part reads."""

    name: str
    words: str
    default: str
    secret: bool

    @property
    def help(self) -> str:
        return f"{self.words}. Default: `{self.default}`" if self.default else self.words


# The publisher is a program of its own, in Python, and what else it is told is in the Queue.
PUBLISHER = {
    ("queue", "publisher"): [
        Variable("TILED_API_KEY", "Key for the Tiled server", default="", secret=True)
    ]
}


def variables_of(beamline: str, command: str) -> list[Variable]:
    """The variables in the help of a command, but for those that are set for it."""
    found = all_variables_of(beamline, command)
    return [one for one in found if not _is_set_otherwise(one.name)]


def all_variables_of(beamline: str, command: str) -> list[Variable]:
    """All variables in the help of a command."""
    done = subprocess.run(
        [beamline, command, "--help"],
        env={},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    options = re.split(r"\n +(?:-\w, +)?--[a-z]", done.stdout)
    found = (variable_in(" ".join(option.split())) for option in options)
    return [one for one in found if one]


def variable_in(option: str) -> Variable | None:
    """The variable of one option of a help, on one line."""
    match = re.search(
        r"^\S+(?: <\S+>(?:\.\.\.)?)? (.*?) ?\[env: (\w+)(=?)\](?: \[default: (.*)\])?", option
    )
    if not match:
        return None
    words, name, shown, default = match.groups()
    return Variable(name, words, "" if default in (None, '""') else default, secret=not shown)


def _is_set_otherwise(name: str) -> bool:
    return name in FIELDS or bool(OF_THE_OPERATOR.match(name))


class BeamlineValues:
    """The spec of a Beamline as values: their text and their schema."""

    def __init__(self, definition: Schema, beamline: str) -> None:
        self.spec = structural_schema(definition)
        self.variables = PUBLISHER | {
            path: variables_of(beamline, command) for path, command in COMMANDS.items()
        }

    def text(self) -> str:
        """The values, each under its description."""
        lines: list[str] = []
        for name, schema in _in_order(self.spec["properties"]):
            lines += ["", *self._value(name, schema, ())]
        return "\n".join(lines).lstrip("\n") + "\n"

    def schema(self) -> Schema:
        """The schema of these values."""
        schema = json_schema(self.spec)
        for path, variables in self.variables.items():
            part = schema
            for name in path:
                part = part["properties"][name]
            part["properties"][ENV] = environment_schema(variables)
        return schema

    def _value(self, name: str, schema: Schema, path: tuple[str, ...]) -> list[str]:
        indent = "  " * len(path)
        description = schema.get("description", "")
        if name == ENV and path in self.variables:
            return self._environment(path)
        if "properties" in schema and not schema.get("nullable"):
            lines = [*_comment(description, indent, "#"), f"{indent}{name}:"]
            for child, of_child in _in_order(schema["properties"]):
                lines += self._value(child, of_child, (*path, name))
            return lines
        value = schema.get("default", _nothing(schema))
        kind = f"({schema['type']}) " if value is None else ""
        return [*_comment(kind + description, indent, "# --"), f"{indent}{name}: {_flow(value)}"]

    def _environment(self, path: tuple[str, ...]) -> list[str]:
        indent = "  " * len(path)
        variables = self.variables[path]
        if not variables:
            return [*_comment(ENVIRONMENT, indent, "# --"), f"{indent}{ENV}: {{}}"]
        lines = [*_comment(ENVIRONMENT, indent, "#"), f"{indent}{ENV}:"]
        for one in variables:
            kind = "object, from a Secret" if one.secret else "any"
            lines += _comment(f"({kind}) {one.help}", indent + "  ", "# --")
            lines += [f"{indent}  {one.name}: null"]
        return lines


def environment_schema(variables: list[Variable]) -> Schema:
    """A map of variables. What is secret is given by reference and not otherwise."""
    by_reference: Schema = {"oneOf": [VALUE_FROM, {"type": "null"}]}
    either: Schema = {"oneOf": [VALUE_FROM, {"type": SCALARS}]}
    return {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "properties": {
            one.name: {"description": one.help, **(by_reference if one.secret else either)}
            for one in variables
        },
        "additionalProperties": either,
    }


def _in_order(properties: dict[str, Schema]) -> list[tuple[str, Schema]]:
    """What switches a part on first, what has values of its own last."""
    order = sorted(properties.items(), key=lambda item: "properties" in item[1])
    return sorted(order, key=lambda item: item[0] != "enabled")


def _nothing(schema: Schema) -> Value:
    return {"object": {}, "array": []}.get(schema["type"])


def _flow(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _comment(text: str, indent: str, mark: str) -> list[str]:
    lines = textwrap.wrap(" ".join(text.split()), WIDTH - len(indent) - len(mark) - 1)
    return [f"{indent}{mark if line == 0 else '#'} {part}" for line, part in enumerate(lines)]

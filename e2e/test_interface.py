"""What `/openapi.json` of the services says: as published, and true of what they answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_beamline import Beamline

TYPES = Path(__file__).parent / "interface"
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance"
SERVICES = ("registry",)

Schema = dict[str, object]


def name_of(schema: Schema) -> str:
    """A type in one word, as a generated client would call it."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(sorted(name_of(one) for one in schema[word]))  # type: ignore[attr-defined]
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(sorted(name_of({**schema, "type": one}) for one in kind))
    if "enum" in schema:
        return " | ".join(f"'{one}'" for one in schema["enum"])  # type: ignore[attr-defined]
    if kind == "array":
        return f"[{name_of(schema.get('items', {}))}]"  # type: ignore[arg-type]
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{{{name_of(schema['additionalProperties'])}}}"  # type: ignore[arg-type]
    return str(kind or "any")


def body_of(answer: dict) -> str:
    content = answer.get("content", {}).get("application/json", {})
    return name_of(content.get("schema", {}))


def lines(document: dict) -> Iterator[str]:
    """The interface as text: operations with what they take and answer, then types."""
    for path, item in sorted(document["paths"].items()):
        for method, operation in sorted(item.items()):
            yield f"{method.upper()} {path} {operation['operationId']}"
            for one in operation.get("parameters", []):
                mark = "" if one.get("required") else "?"
                yield f"  {one['in']} {one['name']}{mark}: {name_of(one['schema'])}"
            if "requestBody" in operation:
                yield f"  body: {body_of(operation['requestBody'])}"
            for status, answer in sorted(operation["responses"].items()):
                yield f"  {status}: {body_of(answer)}"
    for name, schema in sorted(document["components"]["schemas"].items()):
        if "properties" not in schema:
            yield f"{name} = {name_of(schema)}"
            continue
        yield name
        for field, kind in sorted(schema["properties"].items()):
            mark = "" if field in schema.get("required", []) else "?"
            yield f"  {field}{mark}: {name_of(kind)}"


@pytest.mark.parametrize("service", SERVICES)
def test_its_types_are_those_that_clients_were_generated_from(
    beamline: Beamline, service: str
) -> None:
    document = httpx.get(f"{beamline.url(service)}/openapi.json").json()
    now = "\n".join(lines(document)) + "\n"
    golden = TYPES / f"{service}.txt"
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(now)
    assert now == golden.read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_is_asked_the_answer_is_as_described(
    own_beamline: Beamline, service: str, tmp_path: Path
) -> None:
    one = own_beamline.start()
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{one.url(service)}/openapi.json",
        f"--checks={CHECKS}",
        "--max-examples=15",
        "--phases=examples,coverage,fuzzing",
        # What it has found once it need not find again.
        "--generation-deterministic",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr

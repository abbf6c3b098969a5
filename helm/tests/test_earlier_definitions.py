"""What was stored under earlier definitions stays valid under those of now.

`earlier/` has definitions as they once were: those of a release are added when it is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import DEFINITIONS, TESTS

EARLIER = sorted((TESTS / "earlier").glob("*.yaml"))
LOWER = ("minimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")

Schema = dict[str, object]


def narrower(old: Schema, new: Schema, at: str) -> Iterator[str]:
    """What the old schema lets in and the new one refuses or forgets."""
    if old.get("type") != new.get("type"):
        yield f"{at}: type {old.get('type')} became {new.get('type')}"
        return
    for word in LOWER:
        if new.get(word, 0) > old.get(word, 0):  # type: ignore[operator]
            yield f"{at}: {word} rose to {new[word]}"
    for word in UPPER:
        if word in new and (word not in old or new[word] < old[word]):  # type: ignore[operator]
            yield f"{at}: {word} fell to {new[word]}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{at}: pattern {new['pattern']}"
    if "enum" in new:
        gone = set(old.get("enum", ["anything"])) - set(new["enum"])  # type: ignore[arg-type,call-overload]
        yield from (f"{at}: {word} is refused now" for word in gone)
    rules = {rule["rule"] for rule in old.get("x-kubernetes-validations", [])}  # type: ignore[attr-defined]
    for rule in new.get("x-kubernetes-validations", []):  # type: ignore[attr-defined]
        if not any(is_as_wide(rule["rule"], known) for known in rules):
            yield f"{at}: new rule {rule['rule']}"
    for name in set(new.get("required", [])) - set(old.get("required", [])):  # type: ignore[call-overload]
        yield f"{at}.{name}: required now"
    properties: dict[str, Schema] = new.get("properties", {})  # type: ignore[assignment]
    for name, schema in old.get("properties", {}).items():  # type: ignore[attr-defined]
        if name in properties:
            yield from narrower(schema, properties[name], f"{at}.{name}")
        elif not new.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{at}.{name}: gone"
    for word in ("items", "additionalProperties"):
        if isinstance(old.get(word), dict) and isinstance(new.get(word), dict):
            yield from narrower(old[word], new[word], f"{at}[]")  # type: ignore[arg-type]


def is_as_wide(new: str, old: str) -> bool:
    """Whether the new rule is the old one, or has alternatives besides."""
    return new == old or ("?" not in new and alternatives(new) >= alternatives(old))


def alternatives(rule: str) -> set[str]:
    """What `||` joins outside of parentheses."""
    parts, depth = [""], 0
    for word in re.split(r"(\|\||[()])", rule):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == "||" and depth == 0:
            parts.append("")
        else:
            parts[-1] += word
    return {part.strip() for part in parts}


def versions(definition: dict) -> dict[str, Schema]:
    return {one["name"]: one["schema"]["openAPIV3Schema"] for one in definition["spec"]["versions"]}


@pytest.mark.parametrize("earlier", EARLIER, ids=lambda path: path.stem)
def test_nothing_that_was_let_in_is_refused(earlier: Path) -> None:
    problems = []
    for old in yaml.safe_load_all(earlier.read_text()):
        name = old["metadata"]["name"]
        new = yaml.safe_load((DEFINITIONS / f"{name}.yaml").read_text())
        assert old["spec"]["scope"] == new["spec"]["scope"]
        now = versions(new)
        for version, schema in versions(old).items():
            problems += narrower(schema, now[version], f"{name}/{version}")
    assert not problems


def test_a_narrower_schema_is_noticed() -> None:
    old = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "many": {"type": "array", "items": {"type": "integer"}},
            "gone": {"type": "string"},
        },
    }
    new = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 5},
            "many": {"type": "array", "items": {"type": "string"}},
        },
    }
    assert sorted(narrower(old, new, "")) == [  # type: ignore[arg-type]
        ".gone: gone",
        ".many[]: type integer became string",
        ".name: maxLength fell to 5",
        ".name: required now",
    ]


@pytest.mark.parametrize(
    ("new", "wider"),
    [
        ("a || b", True),
        ("a || f(x) || b", True),
        ("a", False),
        ("a || c", False),
        ("a || (b || c)", False),
        ("x && (a || b)", False),
        ("a || b ? c : d", False),
    ],
)
def test_a_rule_with_an_alternative_more_is_wider(new: str, wider: bool) -> None:
    assert is_as_wide(new, "a || b") is wider

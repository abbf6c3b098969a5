"""Plans, calls, permissions and patterns made up from a seed, with what bluesky-queueserver says.

Reads {"seed": int, "plans": int, "calls": int, "permissions": int, "patterns": int}; prints one
JSON object.
"""

import json
import logging
import random
import sys
from pathlib import Path

import bluesky_queueserver
from bluesky_queueserver.manager import profile_ops

logging.disable(logging.CRITICAL)

TYPES = [
    "int", "float", "str", "bool", "list", "dict", "tuple", "typing.Any", "object",
    "typing.List[int]", "typing.List[float]", "typing.List[str]", "list[bool]", "typing.List",
    "typing.List[typing.List[int]]", "typing.Tuple[int, str]", "typing.Tuple[float, ...]",
    "tuple[()]", "typing.Tuple[int, typing.List[str], bool]", "typing.Dict[str, int]",
    "typing.Dict[str, float]", "typing.Dict[int, str]", "typing.Dict[str, typing.List[int]]",
    "dict[str, typing.Any]", "typing.Optional[int]", "typing.Optional[float]",
    "typing.Optional[str]", "typing.Optional[bool]", "typing.Optional[typing.List[int]]",
    "typing.Union[int, str]", "typing.Union[int, float]", "typing.Union[float, typing.List[float]]",
    "typing.Union[typing.List[int], typing.Dict[str, int]]", "typing.Union[bool, int]",
    "typing.Union[bool, float, None]", "typing.Union[int, typing.Any]",
    "int | typing.List[int] | None", "float | str", "dict[str, typing.Any] | None",
    "typing.Union[typing.List[int], typing.List[str]]", "typing.Union[typing.Tuple[int, ...], int]",
    "typing.Literal['a', 'b']", "typing.Literal['x']", "typing.Literal[1, 2, 'three']",
    "typing.Literal[True, 'no']", "typing.Union[typing.Literal['a', 5], float]",
    "typing.Optional[typing.Literal['up', 'down', 'it\\'s']]", "collections.abc.Sequence[int]",
    "collections.abc.Sequence[str]", "collections.abc.Sequence", "typing.Sequence[float]",
    "typing.Union[collections.abc.Sequence[int], int]", "typing.Union[typing.Sequence[str], str]",
    "collections.abc.Iterable[int]", "collections.abc.Iterable[typing.Any]", "typing.Iterable[str]",
    "float | collections.abc.Iterable[float]", "collections.abc.Iterable[typing.Any] | bool | None",
    "collections.abc.Mapping[str, int]", "typing.Mapping", "collections.abc.Hashable",
    "collections.abc.Hashable | None", "collections.abc.Callable[[int], str]",
    "typing.Union[collections.abc.Callable, int]", "typing.Optional[typing.Callable]",
    "typing.List[typing.Union[int, str]]", "typing.List[typing.Optional[float]]", "typing.Set[int]",
    "typing.FrozenSet[str]", "typing.Dict[str, typing.Union[int, typing.List[str]]]", "None",
    "bytes_or_nothing",
]  # fmt: skip

NAMED = [
    "Things", "typing.List[Things]", "typing.Optional[Things]", "typing.Union[Things, float]",
    "typing.Union[Things, typing.List[Things]]", "typing.Dict[str, Things]",
    "typing.Tuple[Things, ...]", "typing.Union[Things, str]", "collections.abc.Sequence[Things]",
    "typing.Optional[typing.List[Things]]",
]  # fmt: skip

BUILT_IN = [
    "__DEVICE__", "typing.List[__DEVICE__]", "__PLAN__", "__PLAN_OR_DEVICE__",
    "collections.abc.Sequence[__READABLE__]", "typing.Union[__MOVABLE__, typing.Any]",
    "typing.List[__FLYABLE__]", "__CALLABLE__", "typing.Optional[__READABLE__]",
]  # fmt: skip

DEVICES = [
    ["det1", "det2"], ["det1", "motor1", "no_such"], [":^det"], ["__MOTOR__:^motor"],
    [":^sim_bundle_A$:?.*:depth=2"], ["sim_bundle_A.dets.det_A", "motor"],
    [":-^sim_bundle_A$:^mtrs$"], ["__DETECTOR__:.*"], [":^nothing_at_all$"],
]  # fmt: skip
PLANS = [["count"], ["count", "scan", "nope"], [":^rel_"], [":scan$"], [":^nothing$"]]
ENUMS = [["one", "two"], ["only"], ["a b", "c-d", "5"]]

TEXTS = [
    "a", "b", "x", "det1", "det2", "motor1", "sim_bundle_A.dets.det_A", "count", "rel_scan", "one",
    "5", "2.5", " 7 ", "1_000", "true", "no", "off", "nan", "1e3", "5.0", "-0", "", "it's",
    "say \"hi\"", "both ' and \"", "line\nbreak", "tab\t", "é" * 40, "long " * 30, "x" * 120,
    "three", "up", "None", "back\\slash", "٣",
]  # fmt: skip


def scalar(rng):
    kind = rng.randrange(12)
    if kind < 3:
        return rng.choice([0, 1, -1, 2, 5, 7, 100, -20, 2**31, -(2**40), 10**18])
    if kind < 5:
        return rng.choice(
            [0.0, 1.0, 2.5, -0.5, 1e-7, 1e16, 1e22, 123456.789, -3.0, 1e300, 9.3e18, 0.1, 1e15]
        )
    if kind < 9:
        return rng.choice(TEXTS)
    if kind < 11:
        return rng.choice([True, False])
    return None


def value(rng, depth=0):
    kind = rng.randrange(10 if depth < 3 else 6)
    if kind < 6:
        return scalar(rng)
    if kind < 9:
        return [
            value(rng, depth + 1)
            for _ in range(rng.choice([0, 1, 1, 2, 3, 12 if depth == 0 else 2]))
        ]
    return {
        rng.choice([*TEXTS[:16], "a.b", "key"]): value(rng, depth + 1)
        for _ in range(rng.randrange(4))
    }


def fitting(rng, text):
    """A value that has a good chance to fit the annotation."""
    if rng.random() < 0.12:
        return value(rng)
    names = [
        "det1",
        "det2",
        "motor1",
        "motor",
        "count",
        "rel_scan",
        "one",
        "only",
        "sim_bundle_A.dets.det_A",
    ]
    options = []
    if "Things" in text or "__" in text:
        options.append(lambda: rng.choice(names))
    if "Literal" in text:
        options.append(
            lambda: rng.choice(["a", "b", "x", 1, 2, "three", True, "no", 5, "up", "it's"])
        )
    if "int" in text:
        options.append(lambda: rng.choice([0, 1, 5, -7, 40]))
    if "float" in text:
        options.append(lambda: rng.choice([0.5, 1, -2.25, 1e-3, 30.0]))
    if "str" in text:
        options.append(lambda: rng.choice(TEXTS))
    if "bool" in text:
        options.append(lambda: rng.random() < 0.5)
    if "None" in text or "Optional" in text:
        options.append(lambda: None)
    item = rng.choice(options or [lambda: value(rng)])
    whole = text.lower()
    if (
        any(word in whole for word in ("list", "sequence", "tuple", "iterable", "set"))
        and rng.random() < 0.8
    ):
        items = [
            rng.choice(options or [lambda: value(rng)])()
            for _ in range(rng.choice([0, 1, 2, 2, 3]))
        ]
        return [items] if "List[typing.List" in text else items
    if any(word in whole for word in ("dict", "mapping")) and rng.random() < 0.8:
        return {rng.choice(["a", "b", "5", "x.y"]): item() for _ in range(rng.randrange(3))}
    return item()


def parameter_text(rng, name, kind, needs_default):
    """Source of one parameter, its entry in the decorator, and its annotation."""
    entry, annotation = {}, None
    choice = rng.random()
    if choice < 0.5:
        annotation = rng.choice(TYPES)
    elif choice < 0.75:
        section, lists = rng.choice([("devices", DEVICES), ("plans", PLANS), ("enums", ENUMS)])
        entry = {"annotation": rng.choice(NAMED), section: {"Things": rng.choice(lists)}}
    elif choice < 0.87:
        entry = {"annotation": rng.choice(BUILT_IN)}
    if rng.random() < 0.3:
        low = rng.choice([-10, 0, 0.5, -1e-3])
        limits = {"min": low, "max": low + rng.choice([5, 7.5, 100]), "step": 0.1}
        for key in rng.sample(sorted(limits), rng.randint(1, 3)):
            entry[key] = limits[key]
    source = {"var": "*", "named": "**"}.get(kind, "") + name
    if annotation and annotation != "bytes_or_nothing":
        source += f": {annotation}"
    if kind not in ("var", "named") and needs_default:
        source += " = " + repr(
            rng.choice([None, 1, 2.5, "text", [1, "a"], {"a": (1, 2)}, True, "it's", -3, []])
        )
    return source, entry, entry.get("annotation") or annotation or ""


def make_plan(rng, name):
    """A real plan of a made-up signature, and the annotation of each of its parameters."""
    parts, entries, annotations = [], {}, {}
    count = rng.choice([0, 1, 1, 2, 2, 3, 4])
    defaults_from = rng.randint(0, count + 1)
    only = rng.random() < 0.15 and count > 0
    names = ["detectors", "num", "x", "_hidden", "delay", "json"]
    rng.shuffle(names)

    def add(name, kind, needs_default):
        source, entry, annotation = parameter_text(rng, name, kind, needs_default)
        parts.append(source)
        annotations[name] = (kind, annotation)
        if entry:
            entries[name] = entry

    for index in range(count):
        add(names[index], "plain", index >= defaults_from)
        if only and index == 0:
            parts.append("/")
    starred = rng.random() < 0.3
    if starred:
        add("args", "var", False)
    if rng.random() < 0.3:
        if not starred:
            parts.append("*")
        add("option", "keyword", rng.random() < 0.6)
    if rng.random() < 0.25:
        add("extra", "named", False)
    source = f"def {name}({', '.join(parts)}):\n    yield from ()\n"
    space = {"__name__": "made_up"}
    exec("import typing\nimport collections.abc\n" + source, space)
    plan = space[name]
    if entries:
        from bluesky_queueserver import parameter_annotation_decorator

        plan = parameter_annotation_decorator({"parameters": entries})(plan)
    return plan, annotations


def make_call(rng, name, annotations):
    args, kwargs = [], {}
    by_name = rng.random() < 0.3
    for parameter, (kind, annotation) in annotations.items():
        if rng.random() < 0.1:
            by_name = True
            continue
        if kind == "var":
            if not by_name:
                args.extend(fitting(rng, annotation) for _ in range(rng.randrange(4)))
        elif kind == "named":
            for key in rng.sample(["p", "q", "num", "r.s"], rng.randrange(3)):
                kwargs[key] = fitting(rng, annotation)
        elif kind == "keyword" or by_name:
            kwargs[parameter] = fitting(rng, annotation)
        else:
            args.append(fitting(rng, annotation))
    item = {"name": name, "item_type": "plan"}
    if args or rng.random() < 0.5:
        item["args"] = args
    if kwargs or rng.random() < 0.5:
        item["kwargs"] = kwargs
    odd = rng.random()
    if odd < 0.02:
        item["args"] = rng.choice([5, None, "ab", {"a": 1}, True, 2.5])
    elif odd < 0.04:
        item["kwargs"] = rng.choice([[], 5, None, "a"])
    elif odd < 0.07:
        item["meta"] = rng.choice([{}, [{}], [], 5, None, "a", [{}, 1]])
    elif odd < 0.08:
        item["name"] = rng.choice(["nope", 5, None, ["count"], {"a": 1}])
    elif odd < 0.085:
        del item["name"]
    elif odd < 0.11:
        item.setdefault("kwargs", {})["unknown"] = value(rng)
    elif odd < 0.13 and isinstance(item.get("args"), list):
        item["args"].append(value(rng))
    return item


PATTERNS = [
    ":^det", ":det$", ":^motor", ":^sim_bundle_A$:?.*:depth=1", ":^sim_bundle_A$:?.*",
    ":-^sim_bundle_A$:-^mtrs$:^[xy]$", ":^sim_bundle:^mtrs$:^[xy]$",
    "__MOTOR__:^sim_bundle:?.*:depth=2", "__DETECTOR__:^det", "__READABLE__:?.*:depth=2",
    "__FLYABLE__:.*", ":?^sim_bundle_A\\.mtrs", ":+^sim_bundle_B$:+^dets$:-^det", "det1", "motor1",
    "sim_bundle_A.dets", "sim_bundle_A.dets.det_A", "ab_det.a", "no_such", "no.such", ":^(?!det)",
    ":(?<=t)1$", ":.*", ":^ab_", ":custom", ": ^det : .* ", ":?.*:depth=1", "sim_bundle_B",
    ":^[[:alpha:]]", ":det{1,2}", ":(?i)DET",
]  # fmt: skip
PLAN_PATTERNS = [
    ":^count", ":scan$", "count", "scan", ":^rel_", ":.*", ":^_", ":?grid", ":-list", ":made_1",
    ":^made", ":(?i)COUNT", ":^(?!rel)", "nope", ":(scan|count)$", ":+plan", "move_then_count",
]  # fmt: skip
BROKEN = [
    "", " ", "^det$", "a..b", ".a", "a.", ":", "::", ":a::b", ":a[", ":(", ":*a", ":?a:b",
    ":?a:?b:c", ":?a:depth=a", ":?a:depth=0", ":?a:depth=", ":?a:depth=3", "__X__:a", "__MOTOR__:",
    ":\\p{L}", ":a{", ":a{1", ":[a", ":a)", ":+", ":-", "det1\n", "1a", "a b", ":(?P<n>a)(?P=n)",
    ":(?<n>a)", ":[]a]", ":a\\", ":\\Z", ":\\z", ":[z-a]", ":a**", ":(?a)x", 5, None, [], {}, 2.5,
    True,
]  # fmt: skip


def permissions(rng):
    def patterns(pool, broken):
        kind = rng.random()
        if kind < 0.15:
            return [None]
        chosen = rng.sample(pool, rng.randint(0, 4))
        if broken and rng.random() < 0.05:
            chosen.append(rng.choice([p for p in BROKEN if isinstance(p, str)]))
        return chosen

    broken = rng.random() < 0.3
    groups = {}
    for group in ["root", "primary", "guests"][: rng.randint(1, 3)]:
        rules = {}
        everything = group == "root" and rng.random() < 0.6
        for things, pool in (
            ("plans", PLAN_PATTERNS),
            ("devices", PATTERNS),
            ("functions", PLAN_PATTERNS),
        ):
            if rng.random() < 0.9:
                rules[f"allowed_{things}"] = [None] if everything else patterns(pool, broken)
            if rng.random() < 0.6:
                rules[f"forbidden_{things}"] = patterns(pool, broken)
        groups[group] = rules
    return {"user_groups": groups}


def documents(rng):
    """Documents of permissions, most of them wrong somewhere."""
    fine = {"allowed_plans": [None, ":a"], "forbidden_devices": []}
    yield from [
        5,
        None,
        [],
        "a",
        {},
        {"user_groups": 5},
        {"user_groups": {}},
        {"user_groups": {"root": {}}},
    ]
    yield {"user_groups": {"root": fine}, "more": 1, "other": 2}
    yield {"more": 1}
    yield {"user_groups": {"root": 5, "primary": []}}
    yield {"user_groups": {"root": {"allowed": 1, "zz": []}, "primary": {"x": 1}}}
    for _ in range(60):
        groups = {}
        for group in rng.sample(["root", "primary", "guests", "a.b"], rng.randint(1, 4)):
            rules = {}
            for key in rng.sample(
                ["allowed_plans", "forbidden_plans", "allowed_devices", "allowed_functions"], 2
            ):
                rules[key] = rng.choice(
                    [
                        [None],
                        [":a", "b"],
                        [":a"],
                        [],
                        [5],
                        5,
                        {},
                        "a",
                        [None, 2.5],
                        [["long text " * 9]],
                    ]
                )
            if rng.random() < 0.15:
                rules["strange"] = value(rng)
            groups[group] = rules
        yield {"user_groups": groups}


def outcome(function, *args, **kwargs):
    try:
        return {"value": function(*args, **kwargs)}
    except Exception as ex:  # noqa: BLE001 - whatever Python says is the verdict
        return {"error": str(ex)}


def main():
    wish = json.load(sys.stdin)
    rng = random.Random(wish["seed"])
    folder = Path(bluesky_queueserver.__file__).parent / "profile_collection_sim"
    plans, devices = profile_ops.load_existing_plans_and_devices(
        str(folder / "existing_plans_and_devices.yaml")
    )
    annotations = {}
    for name, plan in plans.items():
        kinds = ["plain", "plain", "var", "keyword", "named"]
        annotations[name] = {
            p["name"]: (kinds[p["kind"]["value"]], p.get("annotation", {}).get("type", ""))
            for p in plan["parameters"]
        }
    refused = 0
    while len(annotations) < len(plans) + wish["plans"] and refused < 1000:
        name = f"made_{len(annotations)}"
        try:
            plan, parameters = make_plan(rng, name)
            described = profile_ops._process_plan(
                plan, existing_devices=devices, existing_plans=plans
            )
        except Exception:  # noqa: BLE001 - not every combination is a plan
            refused += 1
            continue
        plans = {**plans, name: described}
        annotations[name] = parameters
        wish["plans"] -= 1
        if wish["plans"] <= 0:
            break

    everything = {
        g: {"allowed_plans": [None], "allowed_devices": [None], "allowed_functions": [None]}
        for g in ("root", "primary")
    }
    sets = [{"user_groups": everything}] + [permissions(rng) for _ in range(wish["permissions"])]
    allowed = []
    for rules in sets:
        group_plans, group_devices = profile_ops.load_allowed_plans_and_devices(
            existing_plans=plans, existing_devices=devices, user_group_permissions=rules
        )
        functions = {}
        for group in rules["user_groups"]:
            for name in ("count", "scan", "made_1", "grid"):
                functions[f"{group}:{name}"] = outcome(
                    profile_ops.check_if_function_allowed,
                    name,
                    group_name=group,
                    user_group_permissions=rules,
                )
        allowed.append({"plans": group_plans, "devices": group_devices, "functions": functions})

    calls = []
    for index in range(wish["calls"]):
        name = rng.choice(list(plans))
        item = make_call(rng, name, annotations[name])
        number = 0 if index % 4 else rng.randrange(len(sets))
        group = rng.choice(list(allowed[number]["plans"]))
        success, text = profile_ops.validate_plan(
            item,
            allowed_plans=allowed[number]["plans"][group],
            allowed_devices=allowed[number]["devices"][group],
        )
        calls.append(
            {"item": item, "permissions": number, "group": group, "success": success, "text": text}
        )

    patterns = list(BROKEN)
    pieces = [
        "a",
        "^det$",
        ".*",
        "?",
        "+",
        "-",
        ":",
        "::",
        "depth=2",
        "depth=x",
        "__MOTOR__",
        "__X__",
        ".",
        "[",
        "b",
        " ",
    ]
    patterns += [
        "".join(rng.choice(pieces) for _ in range(rng.randint(1, 6)))
        for _ in range(wish["patterns"])
    ]
    split = [
        {"pattern": p, "outcome": outcome(lambda p=p: profile_ops._split_name_pattern(p)[1])}
        for p in patterns
    ]
    checked = [
        {"document": d, "outcome": outcome(profile_ops.validate_user_group_permissions, d)}
        for d in documents(rng)
    ]
    print(json.dumps({
        "plans": plans, "devices": devices, "permissions": sets, "allowed": allowed, "calls": calls,
        "patterns": split, "documents": checked,
    }))  # fmt: skip


main()

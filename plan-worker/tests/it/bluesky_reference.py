"""Runs plan calls with the real bluesky over ophyd.sim; prints documents and positions."""

import inspect
import json
import sys

import bluesky.plan_stubs
import bluesky.plans
import event_model
from bluesky import RunEngine
from ophyd.sim import hw


def plain(value):
    """What JSON cannot hold, as JSON."""
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def with_devices(value, devices):
    """Names of devices as devices."""
    if isinstance(value, (list, tuple)):
        return [with_devices(item, devices) for item in value]
    return devices.get(value, value) if isinstance(value, str) else value


def arguments(plan, call, devices):
    """The arguments of a call; what names a field rather than a device stays as it is."""
    bound = inspect.signature(plan).bind(*call["args"], **call["kwargs"])
    for name, value in bound.arguments.items():
        if name not in ("target_field", "signal"):
            bound.arguments[name] = with_devices(value, devices)
    return bound


def carry_out(engine, call, starts):
    """The documents of one call over fresh devices, and the error that ended it."""
    devices = vars(hw())
    for name, position in starts.items():
        devices[name].set(position).wait(timeout=5)
    plan = getattr(bluesky.plans, call["name"], None) or getattr(bluesky.plan_stubs, call["name"])
    documents = []
    engine.md.clear()
    listener = engine.subscribe(lambda name, document: documents.append((name, document)))
    error = ""
    try:
        bound = arguments(plan, call, devices)
        engine(plan(*bound.args, **bound.kwargs))
    except Exception as failure:  # noqa: BLE001 every failure is an answer
        error = repr(failure)
    engine.unsubscribe(listener)
    positions = {
        name: device.position for name, device in devices.items() if hasattr(device, "position")
    }
    return {"documents": documents, "error": error, "positions": positions}


def validated(documents):
    """Checks documents against the schemas of event-model; prints what is wrong."""
    names = event_model.DocumentNames
    for name, document in documents:
        event_model.schema_validators[names[name]].validate(document)


def main():
    request = json.load(sys.stdin)
    stdout, sys.stdout = sys.stdout, sys.stderr
    validated(request.get("validate", []))
    engine = RunEngine({}, context_managers=[])
    calls = request.get("calls", [])
    answers = [carry_out(engine, call, request["starts"]) for call in calls]
    json.dump(answers, stdout, default=plain)


if __name__ == "__main__":
    main()

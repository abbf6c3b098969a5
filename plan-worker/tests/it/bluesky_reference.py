"""Runs plan calls with the real bluesky over ophyd.sim; prints documents and positions."""

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
    if isinstance(value, list):
        return [with_devices(item, devices) for item in value]
    return devices.get(value, value) if isinstance(value, str) else value


def carry_out(call):
    """The documents of one call over fresh devices, and the error that ended it."""
    devices = vars(hw())
    plan = getattr(bluesky.plans, call["name"], None) or getattr(bluesky.plan_stubs, call["name"])
    documents = []
    engine = RunEngine({}, context_managers=[])
    engine.subscribe(lambda name, document: documents.append((name, document)))
    error = ""
    try:
        args = with_devices(call["args"], devices)
        kwargs = {key: with_devices(value, devices) for key, value in call["kwargs"].items()}
        engine(plan(*args, **kwargs))
    except Exception as failure:  # noqa: BLE001 every failure is an answer
        error = repr(failure)
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
    answers = [carry_out(call) for call in request.get("calls", [])]
    json.dump(answers, stdout, default=plain)


if __name__ == "__main__":
    main()

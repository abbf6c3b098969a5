"""Describes and reads devices with the real ophyd over Channel Access; prints what ophyd says."""

import json
import sys
import time


def plain(value):
    """What JSON cannot hold, as JSON."""
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def settled_descriptions(devices):
    """What the devices say for a second: pyepics may first show an array by one element."""
    before, times = None, 0
    while times < 5:
        now = {name: device.describe() for name, device in devices.items()}
        before, times = now, times + 1 if now == before else 0
        time.sleep(0.2)
    return before


def main():
    request = json.load(sys.stdin)
    stdout, sys.stdout = sys.stdout, sys.stderr
    import ophyd

    class Det(ophyd.Device):
        det = ophyd.Component(ophyd.EpicsSignal, ":det", kind="hinted")
        exp = ophyd.Component(ophyd.EpicsSignal, ":exp", kind="config")

    classes = {
        "ophyd.EpicsMotor": ophyd.EpicsMotor,
        "ophyd.EpicsSignal": ophyd.EpicsSignal,
    }
    classes |= {"ophyd.EpicsSignalRO": ophyd.EpicsSignalRO, "localdevs.Det": Det}
    devices = {}
    for spec in request:
        devices[spec["name"]] = classes[spec["deviceClass"]](spec["prefix"], name=spec["name"])
    for device in devices.values():
        device.wait_for_connection(timeout=20)
    descriptions = settled_descriptions(devices)
    said = {
        name: {
            "describe": descriptions[name],
            "describe_configuration": device.describe_configuration(),
            "hints": device.hints,
            "read": device.read(),
            "read_configuration": device.read_configuration(),
        }
        for name, device in devices.items()
    }
    json.dump(said, stdout, default=plain)
    stdout.flush()


if __name__ == "__main__":
    main()

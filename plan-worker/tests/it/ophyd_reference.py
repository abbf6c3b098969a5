"""Describes and reads devices with the real ophyd over Channel Access; prints what ophyd says."""

import json
import sys
import time


def plain(value):
    """What JSON cannot hold, as JSON."""
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def settled_description(device):
    """What the device says twice: pyepics may first show an array by one element."""
    before, now = None, device.describe()
    while now != before:
        time.sleep(0.2)
        before, now = now, device.describe()
    return now


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
    said = {}
    for spec in request:
        device = classes[spec["deviceClass"]](spec["prefix"], name=spec["name"])
        device.wait_for_connection(timeout=20)
        said[spec["name"]] = {
            "describe": settled_description(device),
            "describe_configuration": device.describe_configuration(),
            "hints": device.hints,
            "read": device.read(),
            "read_configuration": device.read_configuration(),
        }
    json.dump(said, stdout, default=plain)
    stdout.flush()


if __name__ == "__main__":
    main()

"""Prints how bluesky-queueserver describes plans of bluesky and the simulated devices."""

import json
import sys

import bluesky.plan_stubs
import bluesky.plans
import ophyd
from bluesky_queueserver.manager.profile_ops import (
    existing_plans_and_devices_from_nspace,
)
from ophyd.sim import hw


def main():
    request = json.load(sys.stdin)
    stdout, sys.stdout = sys.stdout, sys.stderr
    namespace = dict(vars(hw()))
    namespace["custom_test_signal"] = ophyd.Signal(name="custom_test_signal")
    for name in request["names"]:
        namespace[name] = getattr(bluesky.plans, name, None) or getattr(bluesky.plan_stubs, name)
    plans, devices, *_ = existing_plans_and_devices_from_nspace(nspace=namespace)
    json.dump({"plans": plans, "devices": devices}, stdout)


if __name__ == "__main__":
    main()

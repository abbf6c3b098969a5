"""Clients that people have, against the running executable."""

from __future__ import annotations

import subprocess
import sys

from local_beamline import Beamline, environment

PYEPICS = """
import epics
assert 475 <= epics.caget("mini:current", timeout=10) <= 525
assert epics.caput("mini:dot:mtrx", 1.5, wait=True, timeout=10) == 1
assert epics.caget("mini:dot:mtrx", use_monitor=False) == 1.5
seen = []
pv = epics.PV("mini:current", callback=lambda value, **_: seen.append(value), auto_monitor=True)
import time
end = time.monotonic() + 10
while len(seen) < 5 and time.monotonic() < end:
    time.sleep(0.05)
assert len(seen) >= 5, seen
motor = epics.Motor("sim:mtr1")
motor.move(motor.RBV + 0.2, wait=True, timeout=20)
assert abs(motor.RBV - motor.VAL) < 0.01
"""

MANAGER = """
import sys
from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.zmq import REManagerAPI

RM = REManagerAPI(zmq_control_addr=sys.argv[1], zmq_info_addr=sys.argv[2])
RM.environment_open()
RM.wait_for_idle(timeout=60)
added = RM.item_add(BPlan("count", ["beam_current", "pinhole"], num=2))
assert added["success"], added
RM.queue_start()
RM.wait_for_idle(timeout=60)
item = RM.history_get()["items"][-1]
assert item["item_uid"] == added["item"]["item_uid"]
assert item["result"]["exit_status"] == "completed", item
assert len(item["result"]["run_uids"]) == 1
assert "pinhole" in RM.devices_allowed()["devices_allowed"]
RM.environment_close()
RM.wait_for_idle(timeout=60)
RM.close()
"""


def test_pyepics_reads_writes_monitors_and_moves(beamline: Beamline) -> None:
    beamline.python(PYEPICS)


def test_the_manager_api_runs_a_plan_over_0mq(beamline: Beamline) -> None:
    ports = beamline.ports
    addresses = [f"tcp://127.0.0.1:{ports[name]}" for name in ("zmq_control", "zmq_info")]
    beamline.python(MANAGER, *addresses)


def test_the_reference_ioc_stands_in_for_the_simulated_one(own_beamline: Beamline) -> None:
    port = str(own_beamline.ports["ca"])
    ioc = subprocess.Popen(
        [sys.executable, "-m", "caproto.ioc_examples.mini_beamline", "--interfaces", "127.0.0.1"],
        env=environment() | {"EPICS_CA_SERVER_PORT": port},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        own_beamline.options = ["--no-sim-ioc"]
        own_beamline.variables = own_beamline.channel_access()
        own_beamline.start()
        current = own_beamline.get("control", "/api/v1/pv/mini:current/value").json()
        assert 475 <= current["value"] <= 525
        own_beamline.run("env", "open")
        scan = ["scan", '["spot_img_sum"]', "motor_spotx", "0", "1", "num=2"]
        own_beamline.run("queue", "add", *scan)
        own_beamline.run("queue", "start", "--follow")
        assert own_beamline.run("history").startswith("completed")
    finally:
        ioc.kill()
        ioc.wait(10)

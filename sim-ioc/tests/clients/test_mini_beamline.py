import contextlib
import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from caproto import ChannelType
from caproto.sync import client as caproto_client

POINTS = [
    f"mini:{d}:{s}"
    for d in ("ph", "edge", "slit")
    for s in ("det", "mtr", "exp", "vel", "mtr_tick_rate")
]
DOT = [
    "mini:dot:" + s
    for s in (
        "det",
        "img_sum",
        "mtrx",
        "mtry",
        "exp",
        "shutter_open",
        "ArraySizeY_RBV",
        "ArraySizeX_RBV",
        "ArraySize_RBV",
    )
]
ALL = ["mini:current", *POINTS, *DOT]


def test_the_current_swings_ten_times_a_second(collect):
    values = collect("mini:current", 25)
    assert all(475 <= v <= 525 for v in values)
    assert max(values) - min(values) > 10


def test_a_put_callback_ends_at_the_end_of_the_move(pv, eventually):
    motor, velocity = pv("mini:ph:mtr"), pv("mini:ph:vel")
    velocity.put(5, wait=True)
    motor.put(0, wait=True, timeout=10)
    seen = []
    motor.add_callback(lambda value=None, **_: seen.append(value))
    began = time.monotonic()
    motor.put(3, wait=True, timeout=10)
    assert time.monotonic() - began > 0.3, "the put ended before the motor could be there"
    assert motor.get(use_monitor=False) == 3
    assert any(0 < v < 3 for v in seen), "no position on the way was posted"
    velocity.put(1, wait=True)


def test_a_detector_responds_to_its_motor_and_exposure(pv, eventually):
    det, motor, exposure = pv("mini:ph:det"), pv("mini:ph:mtr"), pv("mini:ph:exp")
    pv("mini:ph:vel").put(100, wait=True)
    motor.put(0, wait=True, timeout=10)
    eventually(lambda: det.get(use_monitor=False) > 90_000)
    motor.put(15, wait=True, timeout=10)
    eventually(lambda: det.get(use_monitor=False) < 5_000)
    motor.put(0, wait=True, timeout=10)
    exposure.put(0, wait=True)
    eventually(lambda: det.get(use_monitor=False) == 0)
    exposure.put(1, wait=True)
    pv("mini:ph:vel").put(1, wait=True)


@pytest.mark.parametrize("name", ["mini:ph:exp", "mini:dot:exp"])
def test_a_negative_exposure_is_clipped(pv, name):
    channel = pv(name)
    channel.put(-3, wait=True)
    assert channel.get(use_monitor=False) == 0
    channel.put(1, wait=True)
    assert channel.get(use_monitor=False) == 1


def test_the_image_has_its_size_and_follows_the_shutter(pv, eventually):
    image, total = pv("mini:dot:det", auto_monitor=False), pv("mini:dot:img_sum")
    eventually(lambda: total.get(use_monitor=False) > 8e8)
    frame = image.get()
    assert frame.shape == (307200,) and frame.dtype == np.float64
    assert np.array_equal(frame, np.round(frame))
    shutter = pv("mini:dot:shutter_open")
    shutter.put(0, wait=True)
    eventually(lambda: total.get(use_monitor=False) < 3.2e8)
    shutter.put(1, wait=True)
    assert list(pv("mini:dot:ArraySize_RBV").get()) == [480, 640]


@pytest.mark.parametrize("name", ["mini:ph:exp", "mini:ph:mtr", "mini:dot:shutter_open"])
def test_a_word_is_refused_where_a_number_belongs(name):
    before = caproto_client.read(name).data[0]
    response = caproto_client.write(name, ["notanumber"], data_type=ChannelType.STRING, notify=True)
    assert not response.status.success
    assert caproto_client.read(name).data[0] == before


@pytest.mark.parametrize(
    "name", ["mini:current", "mini:ph:det", "mini:dot:img_sum", "mini:dot:ArraySizeX_RBV"]
)
def test_what_only_the_simulation_changes_is_read_only(pv, name):
    assert not pv(name).write_access and pv(name).read_access


@contextlib.contextmanager
def reference():
    """caproto's own mini beamline on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = {**os.environ, "EPICS_CA_SERVER_PORT": str(port), "EPICS_CAS_SERVER_PORT": str(port)}
    ioc = subprocess.Popen(
        [sys.executable, "-m", "caproto.ioc_examples.mini_beamline", "--interfaces", "127.0.0.1"],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield environ
    finally:
        ioc.kill()
        ioc.wait()


DESCRIBE = """
import json, sys
import epics
out = {}
for name in sys.argv[1:]:
    pv = epics.PV(name, form="ctrl", auto_monitor=False)
    assert pv.wait_for_connection(timeout=15), name
    pv.get_ctrlvars(timeout=5)
    out[name] = [pv.type.split("_")[-1], pv.nelm, pv.units or "", pv.precision or 0,
                 pv.read_access, pv.write_access]
print(json.dumps(out))
"""


def describe(environ):
    ran = subprocess.run(
        [sys.executable, "-c", DESCRIBE, *ALL],
        env=environ,
        check=True,
        timeout=60,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(ran.stdout)


def test_names_types_counts_units_and_rights_are_those_of_caprotos_mini_beamline():
    with reference() as environ:
        expected = describe(environ)
    ours = describe(os.environ)
    assert len(ours) == 25
    assert ours == expected

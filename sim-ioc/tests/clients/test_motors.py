import threading

import epics
import pytest
from caproto.sync import client as caproto_client
from ophyd import EpicsMotor
from ophyd.utils import LimitError


@pytest.fixture
def motor():
    device = EpicsMotor("sim:mtr1", name="m")
    device.wait_for_connection(timeout=10)
    device.velocity.put(5, wait=True)
    yield device
    device.velocity.put(1, wait=True)
    device.destroy()


def test_ophyd_moves_reads_and_describes_a_motor(motor):
    motor.move(4, wait=True, timeout=10)
    assert motor.position == pytest.approx(4)
    assert motor.read()["m"]["value"] == pytest.approx(4)
    description = motor.describe()["m"]
    assert (description["units"], description["precision"]) == ("mm", 3)
    assert motor.limits == (0, 10)
    assert "m_velocity" in motor.describe_configuration()
    motor.move(4, wait=True, timeout=10)
    status = motor.set(1)
    status.wait(timeout=10)
    assert status.success and motor.position == pytest.approx(1)


def test_ophyd_stops_a_motor_on_its_way(motor, eventually):
    motor.move(0, wait=True, timeout=10)
    motor.velocity.put(1, wait=True)
    status = motor.move(9, wait=False)
    moved = threading.Event()
    motor.user_readback.subscribe(lambda value, **_: value > 0.1 and moved.set())
    assert moved.wait(5)
    motor.stop()
    # Whether ophyd calls a stopped move a success depends on its version; that it ends does not.
    eventually(lambda: status.done, timeout=5)
    assert 0 < motor.position < 8
    assert motor.user_setpoint.get(use_monitor=False) == pytest.approx(motor.position, abs=0.2)


def test_a_move_out_of_the_limits_is_refused(motor):
    with pytest.raises(LimitError):
        motor.move(11, wait=True)
    before = caproto_client.read("sim:mtr1").data[0]
    assert not caproto_client.write("sim:mtr1", [11.0], notify=True).status.success
    assert caproto_client.read("sim:mtr1").data[0] == before
    assert caproto_client.read("sim:mtr1.DMOV").data[0] == 1


def test_a_new_setpoint_takes_over_during_a_move(pv, eventually):
    setpoint, readback, done = pv("sim:mtr3"), pv("sim:mtr3.RBV"), pv("sim:mtr3.DMOV")
    setpoint.put(30)
    eventually(lambda: readback.get(use_monitor=False) > 0.5)
    setpoint.put(0)
    eventually(lambda: done.get(use_monitor=False) == 1)
    assert readback.get(use_monitor=False) == 0


def test_a_stop_ends_the_put_callback_of_the_move(pv, eventually):
    setpoint, readback = pv("sim:mtr3"), pv("sim:mtr3.RBV")
    setpoint.put(0, wait=True, timeout=15)
    setpoint.put(30, use_complete=True)
    eventually(lambda: readback.get(use_monitor=False) > 0.3)
    assert not setpoint.put_complete
    pv("sim:mtr3.STOP").put(1)
    eventually(lambda: setpoint.put_complete, timeout=5)
    assert 0.3 < readback.get(use_monitor=False) < 20


def test_pyepics_motor_moves_tweaks_and_reports(eventually):
    motor = epics.Motor("sim:mtr2")
    assert motor.move(3, wait=True, timeout=10) == 0
    assert motor.get_position(readback=True) == pytest.approx(3)
    motor.tweak_val = 0.5
    motor.tweak(direction="forward", wait=True, timeout=10)
    eventually(lambda: abs(motor.readback - 3.5) < 1e-6)
    assert motor.within_limits(19) and not motor.within_limits(21)
    assert motor.move(100, wait=True) is not None and motor.readback == pytest.approx(3.5)


def test_jog_pause_go_and_calibration(pv, eventually):
    name = "sim:mtr2"
    readback, done, permission = pv(f"{name}.RBV"), pv(f"{name}.DMOV"), pv(f"{name}.SPMG")
    pv(name).put(0, wait=True, timeout=15)
    pv(f"{name}.JOGF").put(1)
    eventually(lambda: readback.get(use_monitor=False) > 0.3)
    pv(f"{name}.JOGF").put(0)
    eventually(lambda: done.get(use_monitor=False) == 1)
    pv(name).put(5)
    permission.put("Pause")
    eventually(lambda: done.get(use_monitor=False) == 1)
    assert readback.get(use_monitor=False) < 5
    permission.put("Go")
    eventually(lambda: readback.get(use_monitor=False) == 5)
    pv(f"{name}.SET").put(1, wait=True)
    pv(name).put(50, wait=True)
    pv(f"{name}.SET").put(0, wait=True)
    assert readback.get(use_monitor=False) == 50 and pv(f"{name}.DRBV").get() == 5
    pv(f"{name}.OFF").put(0, wait=True)
    assert readback.get(use_monitor=False) == 5


def test_the_readback_is_posted_at_least_ten_times_a_second(pv, eventually):
    readback, seen = pv("sim:mtr3.RBV", auto_monitor=True), []
    pv("sim:mtr3").put(0, wait=True, timeout=15)
    readback.add_callback(lambda value=None, **_: seen.append(value))
    pv("sim:mtr3").put(3, wait=True, timeout=15)
    assert len([v for v in seen if 0 < v < 3]) >= 9, seen

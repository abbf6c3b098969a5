import itertools

import numpy as np
import pytest
from caproto import ChannelType
from caproto.sync import client as caproto_client

CAM, IMAGE = "13SIM1:cam1:", "13SIM1:image1:"


@pytest.mark.parametrize("prefix", ["random_walk:", "random_walk:horiz-", "random_walk:vert-"])
def test_a_walk_steps_by_at_most_one_and_follows_dt(pv, collect, prefix):
    pv(prefix + "dt").put(0.1, wait=True)
    values = collect(prefix + "x", 6)
    assert all(abs(b - a) <= 1 for a, b in itertools.pairwise(values))
    assert len(set(values)) > 1
    pv(prefix + "dt").put(3, wait=True)


def test_the_thermo_swings_around_its_setpoint(pv, collect):
    pv("thermo:SP").put(200, wait=True)
    values = collect("thermo:I", 25)[3:]
    assert all(185 < v < 215 for v in values) and max(values) - min(values) > 5
    assert not pv("thermo:I").write_access
    pv("thermo:SP").put(100, wait=True)


def test_the_camera_runs_from_the_start(collect, pv):
    frames = collect(IMAGE + "ArrayCounter_RBV", 4)
    assert frames == sorted(frames) and frames[-1] > frames[0]
    frame = pv(IMAGE + "ArrayData", auto_monitor=False).get()
    assert frame.shape == (256 * 192,) and frame.dtype == np.int32
    assert frame.min() >= 0 and 150 < frame.max() <= 255


def test_size_type_and_color_are_reflected(pv, eventually):
    def settle(width, height, colors, largest):
        wanted = width * height * colors
        array = pv(IMAGE + "ArrayData", auto_monitor=False)
        eventually(lambda: len(array.get()) == wanted)
        assert pv(IMAGE + "ArraySize_RBV").get(use_monitor=False) == wanted
        eventually(lambda: largest / 2 < array.get().max() <= largest)

    pv(CAM + "SizeX").put(64, wait=True)
    pv(CAM + "SizeY").put(32, wait=True)
    settle(64, 32, 1, 255)
    assert pv(CAM + "SizeX_RBV").get(use_monitor=False) == 64
    pv(CAM + "DataType").put("UInt16", wait=True)
    settle(64, 32, 1, 65535)
    pv(CAM + "ColorMode").put("RGB1", wait=True)
    settle(64, 32, 3, 65535)
    sizes = [pv(f"{IMAGE}ArraySize{i}_RBV").get(use_monitor=False) for i in range(3)]
    assert sizes == [3, 64, 32]
    assert pv(CAM + "ColorMode_RBV").get(as_string=True, use_monitor=False) == "RGB1"
    for suffix, value in [("ColorMode", 0), ("DataType", 1), ("SizeX", 256), ("SizeY", 192)]:
        pv(CAM + suffix).put(value, wait=True)


def test_a_put_of_acquire_ends_with_the_acquisition(pv, eventually):
    acquire, counter = pv(CAM + "Acquire"), pv(CAM + "NumImagesCounter_RBV")
    acquire.put(0, wait=True)
    state = pv(CAM + "DetectorState_RBV")
    eventually(lambda: state.get(as_string=True, use_monitor=False) == "Idle")
    for mode, images in (("Single", 1), ("Multiple", 3)):
        pv(CAM + "ImageMode").put(mode, wait=True)
        pv(CAM + "NumImages").put(images, wait=True)
        acquire.put(1, wait=True, timeout=10)
        assert counter.get(use_monitor=False) == images
        assert acquire.get(use_monitor=False) == 0
    pv(CAM + "ImageMode").put("Continuous", wait=True)
    acquire.put(1)
    eventually(lambda: counter.get(use_monitor=False) > 3)


def test_a_label_that_does_not_exist_is_refused():
    before = caproto_client.read(CAM + "ColorMode").data[0]
    response = caproto_client.write(
        CAM + "ColorMode", ["Bogus"], data_type=ChannelType.STRING, notify=True
    )
    assert not response.status.success
    assert caproto_client.read(CAM + "ColorMode").data[0] == before

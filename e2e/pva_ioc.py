"""PVs that only PVAccess serves, by p4p; ends when its standard input closes."""

import sys
import time

import numpy
from p4p.nt import NTEnum, NTNDArray, NTScalar
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV


class Takes:
    """Takes what is put."""

    def put(self, pv, operation):
        changed = operation.value().raw["value"]
        index = hasattr(changed, "changedSet")
        pv.post(int(changed["index"]) if index else changed, timestamp=time.time())
        operation.done()


def frames():
    """What the camera shows one after the other: other sizes, colours and numbers."""
    row = numpy.arange(20, dtype="u2") * 3000
    colours = numpy.zeros((5, 7, 3), dtype="u1")
    colours[:, :, 0] = 255
    return [
        numpy.arange(48, dtype="u1").reshape(6, 8),
        numpy.tile(row, (10, 1)),
        colours,
        numpy.tile(row[:9], (4, 1)).astype("f4"),
    ]


class Shows:
    """Shows that frame of the camera."""

    def __init__(self, camera):
        self.camera = camera

    def put(self, pv, operation):
        number = int(operation.value().raw["value"])
        self.camera.post(frames()[number])
        pv.post(number)
        operation.done()


provider = StaticProvider("end to end")
camera = SharedPV(nt=NTNDArray(), initial=frames()[0])
provider.add("pva:camera:Image", camera)
provider.add("pva:frame", SharedPV(nt=NTScalar("i"), initial=0, handler=Shows(camera)))
for name, kind, value in [
    ("temperature", NTScalar("d", display=True), {"value": 21.5, "display": {"units": "C"}}),
    ("count", NTScalar("l"), 2**40),
    ("mode", NTEnum(), {"index": 1, "choices": ["Off", "On", "Auto"]}),
    ("image", NTNDArray(), numpy.arange(48, dtype="u1").reshape(6, 8)),
]:
    provider.add(f"pva:{name}", SharedPV(nt=kind, initial=value, handler=Takes()))
conf = {
    "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_PVAS_SERVER_PORT": sys.argv[1],
    "EPICS_PVAS_BROADCAST_PORT": sys.argv[2],
    "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
}
with Server(providers=[provider], conf=conf, useenv=False):
    print("READY", flush=True)
    sys.stdin.read()

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


provider = StaticProvider("end to end")
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

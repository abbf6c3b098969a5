"""PVs of every type that PVAccess has, served by p4p; ends when its standard input closes."""

import sys
import threading
import time
import zlib

import numpy
from p4p.nt import NTEnum, NTNDArray, NTScalar, NTTable
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV


class Takes:
    """Takes what is put."""

    def put(self, pv, operation):
        changed = operation.value().raw["value"]
        pv.post(
            int(changed["index"]) if hasattr(changed, "changedSet") else changed,
            timestamp=time.time(),
        )
        operation.done()


class Refuses:
    """Says why it does not take it."""

    def put(self, pv, operation):
        operation.done(error="not today")


class Hangs:
    """Takes what is put, and says so a second later."""

    def put(self, pv, operation):
        pv.post(operation.value())
        threading.Timer(1.0, operation.done).start()


provider = StaticProvider("all types")


def add(name, kind, value, handler=Takes, **options):
    pv = SharedPV(nt=kind, initial=value, handler=handler() if handler else None, **options)
    provider.add(f"T:{name}", pv)
    return pv


scalars = {
    "boolean": ("?", True),
    "byte": ("b", -3),
    "ubyte": ("B", 200),
    "short": ("h", -3000),
    "ushort": ("H", 60000),
    "int": ("i", -7),
    "uint": ("I", 4000000000),
    "long": ("l", -(2**53)),
    "ulong": ("L", 2**53),
    "float": ("f", 1.5),
    "double": ("d", 1.5),
    "string": ("s", "hello"),
}
for name, (code, value) in scalars.items():
    add(name, NTScalar(code), value)
    add(f"{name}s", NTScalar("a" + code), [value, value])
add("enum", NTEnum(), {"index": 1, "choices": ["Closed", "Open", "Moving"]})
described = NTScalar("d", display=True, control=True, valueAlarm=True, form=True)
add(
    "described",
    described,
    {
        "value": 2.5,
        "alarm": {"severity": 2, "status": 1, "message": "too hot"},
        "timeStamp": {"secondsPastEpoch": 1700000000, "nanoseconds": 500},
        "display": {"limitLow": -10, "limitHigh": 10, "units": "mm", "precision": 3},
        "control": {"limitLow": -5, "limitHigh": 5},
        "valueAlarm": {
            "lowAlarmLimit": -4,
            "lowWarningLimit": -3,
            "highWarningLimit": 3,
            "highAlarmLimit": 4,
        },
    },
)
for code in ("u1", "i1", "u2", "i4", "f8"):
    image = numpy.arange(12, dtype=code).reshape(3, 4)
    add(f"image:{code}", NTNDArray(), image)
packed = numpy.frombuffer(zlib.compress(bytes(48)), dtype="u1")
image = NTNDArray().wrap(packed, attrib={"ColorMode": 2, "BayerPattern": 3})
image.dimension = [{"size": size} for size in (3, 4, 2)]
# As areaDetector has it: 6 is pvData's number for unsigned 16 bit.
image.codec = {"name": "zlib", "parameters": 6}
add("image:zlib", None, image)
add("refuses", NTScalar("d"), 0.0, Refuses)
add("hangs", NTScalar("d"), 0.0, Hangs)
add("readonly", NTScalar("d"), 3.0, None)
add("table", NTTable([("a", "d")]), [{"a": 1.0}])

with Server(providers=[provider]):
    print("READY", flush=True)
    sys.stdin.read()

"""A camera of 8 bit grey pixels as a C soft IOC, that costs next to nothing itself.

Started as `python camera_ioc.py PREFIX SIDE FRAMES_PER_SECOND`; the frames are made beforehand.
"""

from __future__ import annotations

import sys
import time

import numpy
from softioc import asyncio_dispatcher, builder, softioc

DIFFERENT_FRAMES = 16


def frames(side: int) -> list[numpy.ndarray]:
    """A spot that wanders over a gradient, with the noise of a sensor."""
    random = numpy.random.default_rng(1)
    y, x = numpy.mgrid[0:side, 0:side]
    made = []
    for turn in numpy.linspace(0, 2 * numpy.pi, DIFFERENT_FRAMES, endpoint=False):
        across, down = side * (0.5 + 0.25 * numpy.cos(turn)), side * (0.5 + 0.25 * numpy.sin(turn))
        spot = numpy.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * (side / 10) ** 2))
        noise = random.integers(0, 16, (side, side))
        made.append((180 * spot + 50 * x / side + noise).clip(0, 255).astype(numpy.uint8).ravel())
    return made


def main() -> None:
    prefix, side, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    builder.SetDeviceName(f"{prefix}:cam1")
    for name, value in [("MinX", 0), ("MinY", 0), ("SizeX", side), ("SizeY", side)]:
        builder.longOut(name, initial_value=value)
    for name in ("BinX", "BinY"):
        builder.longOut(name, initial_value=1)
    builder.mbbOut("ColorMode", "Mono", "RGB1", "RGB2", "RGB3", initial_value=0)
    builder.mbbOut("DataType", "Int8", "UInt8", "Int16", "UInt16", initial_value=1)
    builder.SetDeviceName(f"{prefix}:image1")
    made = frames(side)
    array = builder.WaveformIn("ArrayData", initial_value=made[0])
    builder.LoadDatabase()
    softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher())
    print("serving", flush=True)
    number = 0
    while True:
        time.sleep(1 / rate)
        array.set(made[number % DIFFERENT_FRAMES])
        number += 1


if __name__ == "__main__":
    main()

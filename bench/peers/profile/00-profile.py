"""The profile of the queue server that is compared: a RunEngine, `count` and a detector.

It prints and plots nothing; the simulated profile that comes with the queue server does both.
"""

from bluesky import RunEngine
from bluesky.plans import count  # noqa: F401
from ophyd.sim import det  # noqa: F401

RE = RunEngine({})

"""Where the worker hangs, or has crashed: told to its log, which needs no Python to go on."""

from __future__ import annotations

import faulthandler

# Seconds without a sign of life until the log is told. Less than the patience of the queue server
# with a worker that is silent.
HANG = 10.0
# Not that of Python, which is told to the queue server as well.
STANDARD_ERROR = 2


def tell_crashes() -> None:
    """Has the log told where every thread was when a library brings the process down."""
    faulthandler.enable(STANDARD_ERROR)


def sign_of_life() -> None:
    """Has the log told where every thread is, unless this is called again in time."""
    faulthandler.dump_traceback_later(HANG, file=STANDARD_ERROR)

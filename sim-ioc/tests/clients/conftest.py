"""What the tests of the simulated beamline share.

The server's port comes in EPICS_CA_SERVER_PORT.
"""

import threading
import time

import epics
import pytest


@pytest.fixture
def pv():
    made = []

    def connect(name, **kwargs):
        channel = epics.PV(name, **kwargs)
        made.append(channel)
        assert channel.wait_for_connection(timeout=5), f"{name} did not connect"
        return channel

    yield connect
    for channel in made:
        channel.disconnect()


@pytest.fixture
def eventually():
    def wait(condition, timeout=10):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.02)
        raise AssertionError("the condition did not come true")

    return wait


@pytest.fixture
def collect(pv):
    """Collects monitor events of a PV until there are enough of them."""

    def run(name, count, timeout=10):
        events, enough = [], threading.Event()

        def on_event(value=None, **_):
            events.append(value)
            if len(events) >= count:
                enough.set()

        channel = pv(name, auto_monitor=True)
        channel.add_callback(on_event)
        assert enough.wait(timeout), f"{name}: {len(events)} of {count} events"
        return events

    return run

"""The change feed as Server-Sent Events, with a client from PyPI, through a crash."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
from httpx_sse import ServerSentEvent, connect_sse
from local_beamline import Beamline, wait_for

FEED = "/api/v1/devices/changes"


def events(client: httpx.Client, beamline: Beamline, last: str = "") -> Iterator[ServerSentEvent]:
    headers = {"Last-Event-ID": last} if last else {}
    url = beamline.url("registry") + FEED
    with connect_sse(client, "GET", url, headers=headers) as source:
        yield from source.iter_sse()


def device(name: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "device_label": "signal", "ophyd_class": "EpicsSignal"},
        "instantiation_spec": {"name": name, "device_class": "ophyd.EpicsSignal", "args": ["X:1"]},
    }


def test_a_listener_goes_on_behind_a_crash(own_beamline: Beamline) -> None:
    beamline = own_beamline.start()
    known: dict[str, str] = {}
    with httpx.Client(timeout=30) as client:
        stream = events(client, beamline)
        while "spot" not in known or len(known) < 26:
            event = next(stream)
            known |= {one["device_name"]: one["op"] for one in json.loads(event.data)["changes"]}
        listeners = beamline.get("registry", "/metrics").text
        assert "registry_change_listeners 1" in listeners
        assert beamline.post("registry", "/api/v1/devices", device("one")).status_code == 201
        while "one" not in known:
            event = next(stream)
            known |= {one["device_name"]: one["op"] for one in json.loads(event.data)["changes"]}
    beamline.kill()
    beamline.start()
    assert beamline.post("registry", "/api/v1/devices", device("two")).status_code == 201
    wait_for(
        "the change is in the feed",
        lambda: "two" in beamline.get("registry", FEED).text,
    )
    with httpx.Client(timeout=30) as client:
        told = json.loads(next(events(client, beamline, event.id)).data)
    assert not told["reset_occurred"]
    assert [one["device_name"] for one in told["changes"]] == ["two"]

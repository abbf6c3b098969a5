"""A beamline that begins with a happi database in a volume that a value of the chart names."""

from __future__ import annotations

import json

from cluster import wait_for
from release import Release

DATABASE = {
    "mirror": {
        "device_class": "ophyd.EpicsMotor",
        "prefix": "BL:M1",
        "args": ["{{prefix}}"],
        "kwargs": {"name": "{{name}}"},
        "functional_group": "motors",
    },
    "shutter": {"device_class": "ophyd.EpicsSignal", "prefix": "BL:SH", "args": ["{{prefix}}"]},
    "spare": {"device_class": "ophyd.EpicsSignal", "prefix": "BL:SP", "active": False},
}


def test_a_beamline_begins_with_a_happi_database_of_a_config_map(own_release: Release) -> None:
    release, cluster = own_release, own_release.cluster
    cluster.kubectl("create", "namespace", release.namespace)
    release.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "happi"},
            "data": {"happi_db.json": json.dumps(DATABASE)},
        }
    )
    seeds = {"replicas": 2, "profile": {"configMap": {"name": "happi"}}}
    release.install(registry=seeds, control={"enabled": False}, queue={"enabled": False})

    release.kubectl("wait", "device/mirror", "--for=condition=Ready", "--timeout=90s")
    assert set(release.kubectl("get", "devices", "--output=name").split()) == {
        "device.beamline.dev/mirror",
        "device.beamline.dev/shutter",
    }
    with release.part("registry") as registry:
        assert registry.get("/api/v1/devices").json() == ["mirror", "shutter"]
        mirror = registry.get("/api/v1/devices/mirror").json()
        assert mirror["pvs"]["user_readback"] == "BL:M1.RBV"
        rows = wait_for(
            "each is told of", lambda: registry.get("/api/v1/devices/history").json()[1:]
        )
        assert all(row["operation"] == "seed" for row in rows)  # type: ignore[attr-defined]
        assert registry.delete("/api/v1/devices/shutter").is_success

    # What was seeded is what it has become: pods that start again do not seed.
    release.kubectl("rollout", "restart", f"deployment/{release.name}-registry")
    done = ("rollout", "status", f"deployment/{release.name}-registry", "--timeout=120s")
    release.kubectl(*done, limit=150)
    with release.part("registry") as registry:
        assert registry.get("/api/v1/devices").json() == ["mirror"]

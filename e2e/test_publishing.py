"""Documents of the native engine are delivered by the publisher beside its worker."""

from __future__ import annotations

import json
import pickle
import sys

import zmq
from local_beamline import ROOT, Beamline, wait_for


def test_documents_reach_the_proxy_that_the_queue_names(own_beamline: Beamline) -> None:
    # What the proxy of a site has at its inner side.
    inner = zmq.Context.instance().socket(zmq.SUB)
    inner.subscribe(b"")
    port = inner.bind_to_random_port("tcp://127.0.0.1")
    own_beamline.options.append(f"--worker-python={sys.executable}")
    own_beamline.variables["PYTHONPATH"] = str(ROOT / "plan-worker" / "python" / "src")
    own_beamline.start()
    patch = json.dumps({"spec": {"publishers": {"zmq": {"address": f"127.0.0.1:{port}"}}}})
    own_beamline.kubectl("patch", "queue", "main", "--type=merge", f"--patch={patch}")
    own_beamline.post("queue", "/api/environment/open")
    wait_for("open", lambda: own_beamline.status()["worker_environment_exists"])
    item = {"name": "count", "args": [["det"]], "kwargs": {"num": 5}, "item_type": "plan"}
    own_beamline.post("queue", "/api/queue/item/add", {"item": item})
    own_beamline.post("queue", "/api/queue/start")
    heard = []
    while not heard or heard[-1][0] != "stop":
        assert inner.poll(60_000), heard
        _, name, pickled = inner.recv().split(b" ", 2)
        heard.append([name.decode(), pickle.loads(pickled)])
    inner.close()
    [file] = (own_beamline.state / "runs").glob("2*/*.jsonl")
    assert heard == [json.loads(line) for line in file.read_text().splitlines()]

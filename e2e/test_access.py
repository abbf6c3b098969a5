"""A beamline of one machine whose services ask for keys, as a user would set that up."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import yaml
from bluesky_queueserver_api import BPlan
from bluesky_queueserver_api.http import REManagerAPI
from local_beamline import Beamline
from parts import executable

KEY = "APIKEYFORTESTS"
CONFIGURATION = {
    "authentication": {
        "providers": [
            {
                "provider": "toy",
                "authenticator": "bluesky_httpserver.authenticators:DictionaryAuthenticator",
                "args": {"users_to_passwords": {"alice": "alice_password"}},
            }
        ]
    },
    "api_access": {
        "policy": "bluesky_httpserver.authorization:DictionaryAPIAccessControl",
        "args": {"users": {"alice": {"roles": "user"}}},
    },
}


def cli(beamline: Beamline, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [executable(), *words],
        env=beamline.variables | beamline.places() | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_with_keys_set_nobody_gets_in_without_one(own_beamline: Beamline) -> None:
    own_beamline.variables |= {
        "QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY": KEY,
        "CONFIG_API_KEY": KEY,
        "DIRECT_CONTROL_API_KEY": KEY,
    }
    own_beamline.start()
    paths = {
        "registry": "/api/v1/devices",
        "control": "/api/v1/pv/mini:current/value",
        "oas": "/api/v1/devices",
        "queue": "/api/status",
    }
    for part, path in paths.items():
        url = own_beamline.url(part) + path
        assert httpx.get(url).status_code == 401, part
        shown = httpx.get(url, headers={"Authorization": f"ApiKey {KEY}"}, timeout=30)
        assert shown.status_code == 200, (part, shown.text)
    refused = cli(own_beamline, "queue", "list")
    assert refused.returncode != 0
    assert "Not enough permissions" in refused.stderr
    listed = cli(own_beamline, "queue", "list", BEAMLINE_API_KEY=KEY)
    assert listed.returncode == 0, listed.stderr
    # The API of ophyd-websocket has the key of the queue server.
    url = own_beamline.url("oas") + "/api/v1/queue-server/status"
    status = httpx.get(url, headers={"Authorization": f"ApiKey {KEY}"}, timeout=30)
    assert status.status_code == 200, status.text
    assert KEY not in own_beamline.output()


def test_a_user_logs_in_and_runs_a_plan(own_beamline: Beamline, tmp_path: Path) -> None:
    configuration = tmp_path / "access.yml"
    configuration.write_text(yaml.safe_dump(CONFIGURATION))
    own_beamline.variables["QSERVER_HTTP_SERVER_CONFIG"] = str(configuration)
    own_beamline.start()
    url = own_beamline.url("queue")
    RM = REManagerAPI(http_server_uri=url, http_auth_provider="/toy/token")
    try:
        RM.login("alice", password="alice_password")
        RM.environment_open()
        RM.wait_for_idle(timeout=60)
        RM.item_add(BPlan("count", ["det"]))
        RM.queue_start()
        RM.wait_for_idle(timeout=60)
        (done,) = RM.history_get()["items"]
        assert (done["user"], done["result"]["exit_status"]) == ("alice", "completed")
        key = RM.apikey_new(expires_in=900)["secret"]
    finally:
        RM.close()
    # What was given out holds after a power cut.
    own_beamline.kill()
    own_beamline.start()
    shown = httpx.get(f"{url}/api/history/get", headers={"Authorization": f"ApiKey {key}"})
    assert shown.status_code == 200, shown.text
    assert "alice_password" not in own_beamline.output()

"""A server of the facility says who has which roles, and may be away."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
import yaml
from local_beamline import Beamline, end, free_ports, wait_for
from login_providers import Process

PASSWORD = "bob_password"
LASTS_S = 3


class AccessServer(Process):
    """The one that the tests of bluesky-httpserver ask."""

    def __init__(self, folder: Path) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        app = "bluesky_httpserver.tests.access_api_server.api_server:app"
        command = [sys.executable, "-m", "uvicorn", "--port", str(port), app]
        super().__init__(command, {}, folder / "access_server.log")

    def start(self) -> None:
        super().start()
        docs = f"{self.url}/docs"
        wait_for("the access server answers", lambda: self.is_alive() and httpx.get(docs))

    def say(self, **roles: dict[str, dict[str, str]]) -> None:
        httpx.post(f"{self.url}/test/set_info", json=roles).raise_for_status()


def configuration(server: AccessServer) -> dict[str, object]:
    toy = {
        "provider": "toy",
        "authenticator": "bluesky_httpserver.authenticators:DictionaryAuthenticator",
        "args": {"users_to_passwords": {"bob": PASSWORD}},
    }
    asked = {"instrument": "TST", "base_url": server.url, "http_timeout": 2}
    return {
        "authentication": {"providers": [toy]},
        "api_access": {
            "policy": "bluesky_httpserver.authorization:ServerBasedAPIAccessControl",
            "args": asked | {"update_period": 1, "expiration_period": LASTS_S},
        },
    }


def test_roles_are_those_of_the_access_server_for_as_long_as_it_is_believed(tmp_path: Path) -> None:
    server, beamline = AccessServer(tmp_path), Beamline(tmp_path / "state")
    path = tmp_path / "access.yml"
    path.write_text(yaml.safe_dump(configuration(server)))
    beamline.variables["QSERVER_HTTP_SERVER_CONFIG"] = str(path)

    def log_in() -> httpx.Response:
        form = {"username": "bob", "password": PASSWORD}
        url = f"{beamline.url('queue')}/api/auth/provider/toy/token"
        return httpx.post(url, data=form, timeout=30)

    def asks(key: str) -> httpx.Response:
        shown = {"Authorization": f"Bearer {key}"}
        return httpx.get(f"{beamline.url('queue')}/api/queue/get", headers=shown, timeout=30)

    try:
        beamline.start()
        # Nobody knows whether he has a role: that is not his fault.
        assert log_in().status_code == 503
        server.start()
        server.say(user={"bob": {"first_name": "Bob", "last_name": "B"}})
        wait_for("Bob is let in", lambda: log_in().status_code == 200, 20)
        key = log_in().json()["access_token"]
        assert asks(key).status_code == 200

        server.say(observer={}, user={})
        wait_for("Bob is let in no more", lambda: asks(key).status_code == 401, 20)
        assert log_in().status_code == 401
        server.say(user={"bob": {}})
        wait_for("Bob is let in again", lambda: asks(key).status_code == 200, 20)

        server.stop()
        wait_for("nobody is believed any more", lambda: asks(key).status_code == 503, 20)
        assert "the access server has no answer, and nobody is let in" in beamline.output()
    finally:
        end(beamline)
        server.stop()

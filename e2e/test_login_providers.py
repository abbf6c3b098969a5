"""Users whom a directory or an OpenID Connect provider knows log in at the queue server."""

from __future__ import annotations

import base64
import html
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import trustme
import yaml
from bluesky_queueserver_api.http import REManagerAPI
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from local_beamline import Beamline, end, free_ports
from login_providers import BASE, LOOKUP_PASSWORD, Directory, OidcProvider, program

PEOPLE = f"ou=people,{BASE}"
STAFF = f"cn=staff,{BASE}"
SECRET = "client_secret_of_tests"
BOB = "Bob (b, the second)*"


@dataclass
class Site:
    """A beamline with providers of all kinds."""

    beamline: Beamline
    oidc: OidcProvider

    def route(self, provider: str, name: str) -> str:
        return f"{self.beamline.url('queue')}/api/auth/provider/{provider}/{name}"

    def password(self, provider: str, user: str, password: str) -> httpx.Response:
        form = {"username": user, "password": password}
        return httpx.post(self.route(provider, "token"), data=form, timeout=30)

    def at_provider(self, begins: str, user: str) -> str:
        """What the browser of a user does until the provider sends it back to us, and where to."""
        sent = httpx.get(begins, timeout=30)
        assert sent.status_code == 303, sent.text
        return self.oidc.log_in(sent.headers["location"], user)

    def whoami(self, tokens: dict[str, str]) -> str:
        shown = {"Authorization": f"Bearer {tokens['access_token']}"}
        url = f"{self.beamline.url('queue')}/api/auth/whoami"
        (identity,) = httpx.get(url, headers=shown, timeout=30).json()["identities"]
        return f"{identity['provider']}/{identity['id']}"


def provider(name: str, kind: str, **arguments: object) -> dict[str, object]:
    authenticator = f"bluesky_httpserver.authenticators:{kind}Authenticator"
    return {"provider": name, "authenticator": authenticator, "args": arguments}


def forged(keys: list[dict[str, str]]) -> list[dict[str, str]]:
    """Keys of somebody else under the names of these."""
    pem = trustme.CA(key_type=trustme.KeyType.RSA).private_key_pem.bytes()
    modulus = load_pem_private_key(pem, None).private_numbers().public_numbers.n
    n = base64.urlsafe_b64encode(modulus.to_bytes(256, "big")).rstrip(b"=").decode()
    return [key | {"n": n} for key in keys]


def configuration(
    beamline: Beamline, directory: Directory, oidc: OidcProvider, silent: int
) -> dict[str, object]:
    (closed,) = free_ports(1)
    ldap = {"server_address": "localhost", "server_port": directory.port}
    template = {"bind_dn_template": f"uid={{username}},{PEOPLE}"}
    lookup = {
        "lookup_dn": True,
        "user_search_base": PEOPLE,
        "user_attribute": "uid",
        "lookup_dn_user_dn_attribute": "cn",
        "lookup_dn_search_user": f"cn=lookup,{BASE}",
        "lookup_dn_search_password": LOOKUP_PASSWORD,
        "valid_username_regex": ".*",
    }
    keys = httpx.get(f"{oidc.url}/jwks").json()["keys"]

    def client(name: str) -> dict[str, str]:
        redirect = f"{beamline.url('queue')}/api/auth/provider/{name}/code"
        return {"client_id": "beamline", "client_secret": SECRET, "redirect_uri": redirect}

    fixed = {
        "authorization_endpoint": f"{oidc.url}/oauth2/authorize?client_id={{client_id}}",
        "token_uri": f"{oidc.url}/oauth2/token",
    }
    return {
        "authentication": {
            "providers": [
                provider("ldap", "LDAP", **ldap, **template, allowed_groups=[STAFF]),
                provider("lookup", "LDAP", **ldap, **lookup, allowed_groups=[STAFF]),
                provider(
                    "others", "LDAP", **ldap, **template, allowed_groups=[f"cn=others,{BASE}"]
                ),
                # A name that the certificate of the directory does not have.
                provider(
                    "untrusted", "LDAP", **{**ldap, "server_address": "127.0.0.2"}, **template
                ),
                provider(
                    "silent",
                    "LDAP",
                    server_address=f"127.0.0.1:{silent}",
                    use_tls=False,
                    receive_timeout=0.5,
                    **template,
                ),
                provider("oidc", "OIDC", **client("oidc"), well_known_uri=oidc.well_known),
                provider("fixed", "OIDC", **client("fixed"), **fixed, public_keys=keys),
                provider("forged", "OIDC", **client("forged"), **fixed, public_keys=forged(keys)),
                provider(
                    "down", "OIDC", **client("down"), well_known_uri=f"http://127.0.0.1:{closed}/"
                ),
            ]
        },
        "api_access": {
            "policy": "bluesky_httpserver.authorization:DictionaryAPIAccessControl",
            "args": {"users": {"alice": {"roles": "user"}, BOB: {"roles": "user"}}},
        },
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    try:
        program("slapd")
    except FileNotFoundError as missing:
        # `make e2e` has said so already, and fails for it where nothing may be skipped.
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("login")
    directory, oidc = Directory(folder / "ldap"), OidcProvider(folder / "oidc")
    beamline = Beamline(folder / "state")
    # Connections are taken, and nobody answers.
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        directory.start()
        oidc.start()
        text = configuration(beamline, directory, oidc, silent.getsockname()[1])
        path = folder / "access.yml"
        path.write_text(yaml.safe_dump(text))
        beamline.variables["QSERVER_HTTP_SERVER_CONFIG"] = str(path)
        beamline.variables["SSL_CERT_FILE"] = str(directory.authority)
        yield Site(beamline.start(), oidc)
        for secret in ("alice_password", "bob_password", LOOKUP_PASSWORD, SECRET):
            assert secret not in beamline.output()
    finally:
        end(beamline)
        oidc.stop()
        directory.stop()
        silent.close()


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["detail"]


def test_a_user_of_the_directory_logs_in_with_the_client(site: Site) -> None:
    url = site.beamline.url("queue")
    RM = REManagerAPI(http_server_uri=url, http_auth_provider="/ldap/token")
    try:
        RM.login("alice", password="alice_password")
        assert RM.whoami()["identities"][0]["id"] == "alice"
    finally:
        RM.close()


def test_a_user_is_looked_up_by_what_they_type(site: Site) -> None:
    answer = site.password("lookup", "bob", "bob_password")
    assert answer.status_code == 200, answer.text
    assert site.whoami(answer.json()) == f"lookup/{BOB}"


@pytest.mark.parametrize(
    ("provider", "user", "password"),
    [
        ("ldap", "alice", "bob_password"),
        ("ldap", "alice", " "),
        ("lookup", "alice", " "),
        ("ldap", "nobody", "alice_password"),
        ("lookup", "nobody", "alice_password"),
        ("lookup", "a*", "alice_password"),
        ("lookup", "*)(uid=alice", "alice_password"),
        ("ldap", f"alice,{PEOPLE}", "alice_password"),
        # Known, and not one of them.
        ("others", "alice", "alice_password"),
    ],
)
def test_what_is_wrong_for_the_directory_is_refused(
    site: Site, provider: str, user: str, password: str
) -> None:
    answer = site.password(provider, user, password)
    assert refused(answer) == (401, "Incorrect username or password")


def test_a_directory_that_cannot_be_asked_is_not_a_wrong_password(site: Site) -> None:
    told = (503, "The login provider does not answer as it should. Try again later.")
    for provider in ("silent", "untrusted"):
        assert refused(site.password(provider, "alice", "alice_password")) == told
    assert "the LDAP server cannot be asked" in site.beamline.output()


def test_who_guesses_passwords_of_the_directory_is_held_up(site: Site) -> None:
    answers = [site.password("ldap", "mallory", f"guess {n}") for n in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert "wrong-password" in site.beamline.output()


@pytest.mark.parametrize("provider", ["oidc", "fixed"])
def test_a_user_comes_back_from_the_provider_with_a_refresh_token(
    site: Site, provider: str
) -> None:
    back = site.at_provider(site.route(provider, "authorize"), "alice")
    answer = httpx.get(back, timeout=30)
    assert answer.status_code == 200, answer.text
    url = f"{site.beamline.url('queue')}/api/auth/session/refresh"
    tokens = httpx.post(url, json={"refresh_token": answer.json()}, timeout=30).json()
    assert site.whoami(tokens) == f"{provider}/alice"
    again = httpx.get(back, timeout=30)
    assert refused(again) == (401, "Authentication failure"), "a code is good once"


def test_what_does_not_come_from_the_provider_is_refused(site: Site) -> None:
    failure = (401, "Authentication failure")
    back = site.at_provider(site.route("oidc", "authorize"), "alice")
    code, other = dict(parse_qsl(urlsplit(back).query)), site.route("oidc", "code")
    state = code.pop("state")
    assert refused(httpx.get(other, params=code, timeout=30)) == failure, "no state"
    began = httpx.get(site.route("oidc", "authorize"), timeout=30).headers["location"]
    another = code | {"state": dict(parse_qsl(urlsplit(began).query))["state"]}
    assert refused(httpx.get(other, params=another, timeout=30)) == failure, "another login"
    elsewhere = httpx.get(site.route("fixed", "code"), params=code | {"state": state}, timeout=30)
    assert refused(elsewhere) == failure, "another provider"
    made_up = httpx.get(other, params={"code": "x", "state": state}, timeout=30)
    assert refused(made_up) == failure, "a code of nobody"
    nobody = site.at_provider(site.route("oidc", "authorize"), "nobody")
    assert refused(httpx.get(nobody, timeout=30)) == failure, "without a role"
    assert "wrong-login" in site.beamline.output()


def test_a_forged_id_token_is_refused(site: Site) -> None:
    back = site.at_provider(site.route("forged", "authorize"), "alice")
    assert refused(httpx.get(back, timeout=30)) == (401, "Authentication failure")
    assert "the ID token is not good" in site.beamline.output()


def test_a_provider_that_is_down_is_said_to_be(site: Site) -> None:
    answer = httpx.get(site.route("down", "authorize"), timeout=30)
    told = "The login provider does not answer as it should. Try again later."
    assert refused(answer) == (503, told)
    assert "a login provider cannot be asked" in site.beamline.output()


def test_a_program_without_a_browser_gets_tokens_when_its_user_has_logged_in(site: Site) -> None:
    begun = httpx.post(site.route("oidc", "authorize"), timeout=30).json()

    def ask() -> httpx.Response:
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        body = {"device_code": begun["device_code"], "grant_type": grant}
        return httpx.post(begun["verification_uri"], json=body, timeout=30)

    pending = ask()
    assert pending.status_code == 400
    assert pending.json()["error"] == pending.json()["detail"]["error"] == "authorization_pending"

    page = httpx.get(site.at_provider(begun["authorization_uri"], "alice"), timeout=30)
    assert page.status_code == 200, page.text
    (approval,) = re.findall(r'name="approval" value="([^"]*)"', page.text)
    form = {"approval": html.unescape(approval), "user_code": "BBBB-BBBB"}
    # A browser names the page that the form is on.
    own = {"Origin": site.beamline.url("queue")}
    url = site.route("oidc", "device_code")
    assert httpx.post(url, data=form, headers=own, timeout=30).status_code == 401
    assert ask().json()["error"] == "authorization_pending"
    form["user_code"] = begun["user_code"].lower()
    done = httpx.post(url, data=form, headers=own, timeout=30)
    assert (done.status_code, "alice" in done.text) == (200, True), done.text

    tokens = ask()
    assert tokens.status_code == 200, tokens.text
    assert site.whoami(tokens.json()) == "oidc/alice"
    assert ask().json()["error"] == "expired_token", "once"
    assert begun["device_code"] not in site.beamline.output()

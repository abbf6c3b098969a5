"""Login providers as sites have them: an OpenLDAP server and an OpenID Connect provider."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import trustme
from local_beamline import free_ports, wait_for

BASE = "dc=example,dc=org"
LOOKUP_PASSWORD = "lookup_password"
# Debian keeps what slapd needs here.
SCHEMAS = Path("/etc/ldap/schema")
MODULES = Path("/usr/lib/ldap")
CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
# As the standard has it, and many a directory: a bind without a password succeeds, as nobody.
allow bind_anon_dn
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
database mdb
suffix "{base}"
directory {folder}/data
"""
ENTRIES = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people

dn: cn=lookup,{BASE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: lookup
userPassword: {LOOKUP_PASSWORD}

dn: uid=alice,ou=people,{BASE}
objectClass: inetOrgPerson
uid: alice
cn: Alice
sn: A
userPassword: alice_password

dn: cn=Bob (b\\, the second)*,ou=people,{BASE}
objectClass: inetOrgPerson
uid: bob
cn: Bob (b, the second)*
sn: B
userPassword: bob_password

dn: cn=staff,{BASE}
objectClass: groupOfNames
cn: staff
member: uid=alice,ou=people,{BASE}
member: cn=Bob (b\\, the second)*,ou=people,{BASE}

dn: cn=others,{BASE}
objectClass: groupOfNames
cn: others
member: cn=lookup,{BASE}
"""


def program(name: str) -> str:
    """Where it is. Programs of administrators are not in everybody's path."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(name, path=places)
    if found is None:
        raise FileNotFoundError(f"{name} is missing: run `make e2e-packages`")
    return found


@dataclass
class Process:
    """A server that a test may stop."""

    command: list[str]
    variables: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=os.environ | self.variables
            )

    def is_alive(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"ended: {self.log.read_text(errors='replace')}")
        return True

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class Directory(Process):
    """An OpenLDAP server with a few people, with StartTLS."""

    def __init__(self, folder: Path) -> None:
        (folder / "data").mkdir(parents=True)
        self.authority = folder / "authority.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
        certificate.private_key_pem.write_to_path(str(folder / "server.key"))
        configuration = folder / "slapd.conf"
        configuration.write_text(
            CONFIGURATION.format(schemas=SCHEMAS, modules=MODULES, folder=folder, base=BASE)
        )
        entries = folder / "entries.ldif"
        entries.write_text(ENTRIES)
        subprocess.run(
            [program("slapadd"), "-q", "-f", str(configuration), "-l", str(entries)],
            check=True,
            capture_output=True,
        )
        (self.port,) = free_ports(1)
        # The second one is not in the certificate.
        addresses = " ".join(f"ldap://127.0.0.{n}:{self.port}/" for n in (1, 2))
        # In the foreground, which is what a level of debugging is for.
        command = [program("slapd"), "-d", "0", "-h", addresses, "-f", str(configuration)]
        super().__init__(command, {}, folder / "slapd.log")

    def start(self) -> None:
        super().start()
        wait_for("slapd listens", lambda: self.is_alive() and _listens(self.port))


class OidcProvider(Process):
    """An OpenID Connect provider where everybody may log in under every name."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(self.port)]
        super().__init__(command, {"AUTHLIB_INSECURE_TRANSPORT": "1"}, folder / "oidc_provider.log")

    @property
    def well_known(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def start(self) -> None:
        super().start()
        wait_for("the provider answers", lambda: self.is_alive() and httpx.get(self.well_known))

    def log_in(self, authorization: str, user: str) -> str:
        """What a browser does there. Where it is sent back to."""
        answer = httpx.post(authorization, data={"sub": user})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True

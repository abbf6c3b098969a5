"""Where the leader of a queue takes workers: `status.leader` of the `Queue`."""

from __future__ import annotations

import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

# What Kubernetes gives to every pod.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# Longest wait for the address, in seconds.
LOOK_UP = 2.0


@dataclass(frozen=True)
class Api:
    """The Kubernetes API of the beamline."""

    address: str
    namespace: str
    # Folder with the token and the certificate; none where nobody asks for a login.
    account: Path | None = None

    @classmethod
    def find(cls, address: str | None, namespace: str) -> Api | None:
        """The API at `address`, else that of the cluster around this process, if there is one."""
        if address:
            return cls(address, namespace)
        host = os.environ.get("KUBERNETES_SERVICE_HOST")
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        if host is None:
            return None
        return cls(f"https://{f'[{host}]' if ':' in host else host}:{port}", namespace, ACCOUNT)

    def leader(self, queue: str) -> str | None:
        """The address, as far as it can be read. Blocks for two seconds at most."""
        path = f"apis/beamline.dev/v1alpha1/namespaces/{quote(self.namespace)}"
        request = Request(f"{self.address.rstrip('/')}/{path}/queues/{quote(queue)}")
        try:
            trusted = None
            if self.account is not None:
                token = (self.account / "token").read_text()
                request.add_header("Authorization", f"Bearer {token}")
                trusted = ssl.create_default_context(cafile=str(self.account / "ca.crt"))
            with urlopen(request, timeout=LOOK_UP, context=trusted) as answer:
                leader = json.load(answer)["status"]["leader"]["connectTo"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return str(leader)

"""Asks for the status over CURVE: with the public key, with another one, and without any."""

import sys

import zmq
from bluesky_queueserver import ZMQCommSendThreads

control, private_key = sys.argv[1:]
public_key = zmq.curve_public(private_key.encode()).decode()


def status(key: str | None, timeout_ms: int) -> dict[str, object]:
    client = ZMQCommSendThreads(
        zmq_server_address=control,
        server_public_key=key,
        timeout_recv=timeout_ms,
        raise_exceptions=False,
    )
    try:
        return client.send_message(method="status")
    finally:
        client.close()


LONG, SHORT = 20_000, 1_000
assert status(public_key, LONG)["manager_state"] == "idle"
other, _ = zmq.curve_keypair()
for key in (other.decode(), None):
    answer = status(key, SHORT)
    assert "timeout occurred" in str(answer["msg"]), answer
assert status(public_key, LONG)["manager_state"] == "idle"

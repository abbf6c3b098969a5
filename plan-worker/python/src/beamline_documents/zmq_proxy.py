"""Documents for `bluesky-0MQ-proxy`, as `bluesky.callbacks.zmq.Publisher` writes them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import zmq

from .runs import Document
from .target import Refusal, Unreachable

# How long to wait for the proxy, in milliseconds.
PATIENCE = 2000


def frame(name: str, doc: dict[str, Any]) -> bytes:
    """One message: an empty prefix, the name and the pickled document."""
    return b" ".join([b"", name.encode(), pickle.dumps(doc)])


class ZmqProxy:
    """Publishes to the inner side of a proxy.

    An XPUB socket hears of subscriptions, so that nothing is sent while no proxy is there, and
    waits for a slow one instead of dropping. 0MQ knows no receipts: what is on its way when a proxy
    dies is lost to its subscribers.
    """

    name = "zmq"

    def __init__(self, address: str) -> None:
        self._address = address if "://" in address else f"tcp://{address}"
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        # A queue for a proxy that is gone would be thrown away with it.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.XPUB_NODROP, 1)
        self._socket.setsockopt(zmq.SNDTIMEO, PATIENCE)
        self._socket.setsockopt(zmq.LINGER, PATIENCE)
        self._socket.connect(self._address)
        self._is_heard = False

    def send(self, run: str, documents: Sequence[Document]) -> Sequence[Refusal]:
        """Delivers documents; see `Target`."""
        for name, doc in documents:
            self._look_for_proxy()
            try:
                self._socket.send(frame(name, doc))
            except zmq.Again:
                raise Unreachable(f"the proxy at {self._address} takes nothing") from None
        return ()

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def _look_for_proxy(self) -> None:
        """Hears of subscriptions, and waits for one if there is none."""
        while self._socket.poll(0 if self._is_heard else PATIENCE):
            self._is_heard = self._socket.recv().startswith(b"\x01")
        if not self._is_heard:
            raise Unreachable(f"no proxy answers at {self._address}")

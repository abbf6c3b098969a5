"""Cells of the kernel in which it works for the queue server."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from .kernel_app import KernelApp, Message

LOG = logging.getLogger(__name__)

# What they execute.
CELL = "__import__('ipykernel.kernelapp').kernelapp.IPKernelApp.instance().lend()"
# Longest wait for the socket of the kernel to take a request, in milliseconds.
SEND = 1000


class HiddenCells:
    """Asks the kernel for a hidden cell as its users do for theirs: over its socket."""

    def __init__(self, app: KernelApp) -> None:
        self._session = app.session.clone()
        self._lock = threading.Lock()
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDTIMEO, SEND)
        self._socket.connect(f"{app.transport}://{app.ip}:{app.shell_port}")

    def ask(self) -> None:
        """Asks for one more; one that finds nothing to do ends at once."""
        content = {
            "code": CELL,
            # In no history, and no cell for the users to see.
            "silent": True,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,
        }
        with self._lock:
            # Nobody reads the replies.
            while self._socket.poll(0):
                self._socket.recv_multipart()
            try:
                self._session.send(self._socket, "execute_request", content)
            except zmq.Again:
                LOG.warning("the IPython kernel takes no more cells")

    def are_behind(self, request: Message) -> bool:
        """Whether that request was made here."""
        return bool(request["header"]["session"] == self._session.session)

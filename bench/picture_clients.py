"""Clients of a camera-socket that do as little as possible: they count pictures and drop them."""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import time
from dataclasses import dataclass, field

CHUNK = 1 << 20
BINARY = 2
CLOSE = 8
HANDSHAKE_LIMIT = 30.0


def frame(text: str) -> bytes:
    """A short text as a client sends it, behind a mask of zeros."""
    payload = text.encode()
    if len(payload) > 0xFFFF:
        raise ValueError("too long")
    length = bytes([0x80 | 126]) + len(payload).to_bytes(2)
    return bytes([0x81]) + length + bytes(4) + payload


@dataclass
class PictureClient:
    """One connection."""

    url: str
    first: dict[str, object]
    pictures: int = 0
    received: int = 0
    closed: bool = False
    # Of a frame whose header has been seen, what is still to come.
    _left: int = 0
    _header: bytes = field(default=b"", repr=False)
    socket: socket.socket = field(init=False, repr=False)

    def __post_init__(self) -> None:
        place, _, path = self.url.removeprefix("ws://").partition("/")
        host, _, port = place.partition(":")
        self.socket = socket.create_connection((host, int(port)), HANDSHAKE_LIMIT)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: {place}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            some = self.socket.recv(1)
            if not some:
                raise ConnectionError(f"{self.url} did not answer: {answer!r}")
            answer += some
        if b" 101 " not in answer.split(b"\r\n", 1)[0]:
            raise ConnectionError(f"{self.url} refused: {answer!r}")
        self.socket.sendall(frame(json.dumps(self.first)))
        self.socket.setblocking(False)

    def read(self, buffer: memoryview) -> None:
        """Takes what has arrived."""
        try:
            count = self.socket.recv_into(buffer)
        except BlockingIOError:
            return
        if count == 0:
            self.closed = True
        self.received += count
        position = 0
        while position < count:
            if self._left:
                step = min(self._left, count - position)
                self._left -= step
                position += step
                continue
            self._header += bytes(buffer[position : position + 1])
            position += 1
            self._begin()

    def _begin(self) -> None:
        """Reads a header as soon as it is whole."""
        header = self._header
        if len(header) < 2:
            return
        short = header[1] & 0x7F
        extra = {126: 2, 127: 8}.get(short, 0)
        if len(header) < 2 + extra:
            return
        self._left = int.from_bytes(header[2:]) if extra else short
        self.pictures += header[0] & 0x0F == BINARY
        self.closed |= header[0] & 0x0F == CLOSE
        self._header = b""


def look(clients: list[PictureClient], seconds: float) -> None:
    """Lets all clients read for some time."""
    buffer = memoryview(bytearray(CHUNK))
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                key.data.read(buffer)
                if key.data.closed:
                    raise ConnectionError(f"{key.data.url} closed the connection")

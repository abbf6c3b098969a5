"""One connection to the queue server. Whatever ends it, or silence of the peer, counts as lost."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from .outbox import Outbox, Reports
from .protocol import INSTANCE, PATH
from .protocol.orders import Command, ProtocolError, decode

LOG = logging.getLogger(__name__)

# Longest waits, in seconds: for the connection, for a frame to leave, for the last frames.
CONNECT = 10.0
SEND = 20.0
CLOSE = 5.0
# How often the peer is asked for a sign of life, and how long it may owe one, in seconds.
PING = (5.0, 15.0)
# Bytes of the largest command: the arguments of a plan may be long.
LARGEST = 64 << 20


class LinkError(Exception):
    """There is no connection; `is_unreachable` when nobody answered, who may answer later."""

    def __init__(self, text: str, *, is_unreachable: bool) -> None:
        super().__init__(text)
        self.is_unreachable = is_unreachable


class Link:
    """An open connection: two tasks own its two directions."""

    def __init__(self, socket: ClientConnection, reports: Reports) -> None:
        self._socket = socket
        self._reports = reports
        self._commands: asyncio.Queue[Command | None] = asyncio.Queue(16)
        self._has_frames = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._has_frames.set)

        self._outbox = Outbox(wake)
        reports.use(self._outbox)
        self._closing = False
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._read())]

    @classmethod
    async def open(cls, address: str, token: str, instance: str, reports: Reports) -> Link:
        """Connects. What the queue server has to hear first is on its way then.

        Raises:
            LinkError: nobody answered, or somebody refused.
        """
        url = address if urlsplit(address).path.strip("/") else address.rstrip("/") + PATH
        try:
            socket = await connect(
                url,
                additional_headers={"Authorization": f"Bearer {token}", INSTANCE: instance},
                open_timeout=CONNECT,
                close_timeout=CLOSE,
                ping_interval=PING[0],
                ping_timeout=PING[1],
                max_size=LARGEST,
                # Documents are short, and the peer is near.
                compression=None,
                proxy=None,
            )
        except (OSError, TimeoutError) as error:
            text = f"the queue server at {address} cannot be reached: {error}"
            raise LinkError(text, is_unreachable=True) from error
        except (InvalidHandshake, InvalidURI) as error:
            text = f"the queue server at {address} did not accept the worker: {error}"
            raise LinkError(text, is_unreachable=False) from error
        return cls(socket, reports)

    async def command(self) -> Command | None:
        """The next command; none after the connection is lost."""
        return await self._commands.get()

    async def close(self) -> None:
        """Sends what waits, and closes."""
        self._closing = True
        self._has_frames.set()
        writer, reader = self._tasks
        await asyncio.wait([writer], timeout=CLOSE)
        self._reports.abandon(self._outbox)
        reader.cancel()
        await asyncio.wait([reader])
        await self._socket.close()

    async def drop(self) -> None:
        """Closes at once."""
        self._reports.abandon(self._outbox)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._socket.close()

    async def _write(self) -> None:
        try:
            while True:
                await self._has_frames.wait()
                self._has_frames.clear()
                while (frame := self._reports.take(self._outbox)) is not None:
                    await asyncio.wait_for(self._socket.send(frame), SEND)
                if self._closing:
                    return
        except (ConnectionClosed, OSError, TimeoutError) as error:
            LOG.warning("the connection to the queue server is lost: %s", error)
        finally:
            if not self._closing:
                self._reports.abandon(self._outbox)
                await self._socket.close()

    async def _read(self) -> None:
        try:
            async for frame in self._socket:
                await self._commands.put(decode(frame))
        except (ConnectionClosed, OSError) as error:
            LOG.warning("the connection to the queue server is lost: %s", error)
        except ProtocolError as error:
            LOG.error("the queue server sent what is no command: %s", error)
        self._reports.abandon(self._outbox)
        await self._commands.put(None)

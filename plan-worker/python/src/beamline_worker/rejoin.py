"""The connection that outlives its queue server: looked for again, for a bounded time.

The welcome of a queue server says for how long. Until another one of the same or a newer lease
epoch says welcome, the worker counts as an orphan: merely reaching one that may have lost its lease
does not stop the clock.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from .leader import Api
from .link import Link, LinkError
from .outbox import Reports
from .protocol.orders import Command, Welcome
from .settings import Settings

LOG = logging.getLogger(__name__)

# How long the first queue server may be out of reach, in seconds: a pod starts before every network
# plugin knows that policies let it connect.
FIRST = 30.0
# Longest wait for one address, and the pause before each round over all known ones, in seconds.
CONNECT = 3.0
PAUSE = 0.3


class Connection:
    """The connection to whichever queue server leads."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._address = settings.connect_to
        self._token = settings.token
        self._reports = reports
        self._api = Api.find(settings.api_server, settings.namespace)
        self._instance = secrets.token_hex(16)
        self._link: Link | None = None
        self._queue = ""
        self._epoch = settings.epoch
        self._grace = 0.0
        self._orphaned: float | None = None

    async def open(self) -> None:
        """Connects for the first time.

        Raises:
            LinkError: the last, when nobody was reached; at once when somebody refused.
        """
        end = time.monotonic() + FIRST
        while self._link is None:
            try:
                self._link = await self._connect(self._address)
            except LinkError as error:
                if not error.is_unreachable or time.monotonic() >= end:
                    raise
                LOG.info("trying again: %s", error)
                await asyncio.sleep(PAUSE)

    async def command(self) -> Command | None:
        """The next command; none when there is no leader and the time to look for one is over."""
        while True:
            try:
                async with asyncio.timeout(self._left()):
                    if self._link is None:
                        self._link = await self._search()
                    command = await self._link.command()
            except TimeoutError:
                return None
            if command is not None and self._takes(command):
                return command
            await self._link.drop()
            self._link = None
            if self._grace == 0:
                return None
            if self._orphaned is None:
                LOG.warning("no queue server leads this worker; looking for the leader")
                self._orphaned = time.monotonic()

    async def close(self) -> None:
        """Sends what waits, and closes."""
        if self._link is not None:
            await self._link.close()

    def _left(self) -> float | None:
        if self._orphaned is None:
            return None
        return max(0.0, self._orphaned + self._grace - time.monotonic())

    def _takes(self, command: Command) -> bool:
        """Whether the connection is one to keep."""
        if not isinstance(command.order, Welcome):
            return True
        if command.epoch < self._epoch:
            LOG.warning("a queue server of the older lease %d took the worker", command.epoch)
            return False
        if self._orphaned is not None:
            LOG.info("a queue server leads this worker again, under epoch %d", command.epoch)
        self._orphaned = None
        self._epoch = command.epoch
        self._queue = command.order.queue
        self._grace = command.order.orphan_grace_s
        return True

    async def _connect(self, address: str) -> Link:
        return await Link.open(address, self._token, self._instance, self._reports)

    async def _search(self) -> Link:
        """Tries the leader's address and the first one, over and over."""
        while True:
            await asyncio.sleep(PAUSE)
            leader = None
            if self._api is not None:
                leader = await asyncio.to_thread(self._api.leader, self._queue)
            for address in dict.fromkeys(filter(None, (leader, self._address))):
                try:
                    async with asyncio.timeout(CONNECT):
                        return await self._connect(address)
                except (LinkError, TimeoutError) as error:
                    LOG.debug("not admitted at %s: %s", address, error)

"""The PVs of `soft.db` that a Python IOC can have as well; ends when its standard input closes."""

import asyncio
import sys
import threading

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.asyncio.server import start_server
from caproto.server import PVGroup, pvproperty


class Conformance(PVGroup):
    double = pvproperty(
        value=1.5,
        precision=3,
        units="mm",
        lower_disp_limit=-10.0,
        upper_disp_limit=10.0,
        lower_ctrl_limit=-5.0,
        upper_ctrl_limit=5.0,
        lower_alarm_limit=-4.0,
        upper_alarm_limit=4.0,
        lower_warning_limit=-3.0,
        upper_warning_limit=3.0,
        dtype=float,
    )
    long = pvproperty(value=7, dtype=int)
    text = pvproperty(value="hello", dtype=ChannelType.STRING)
    enum = pvproperty(
        value="Closed", enum_strings=["Closed", "Open", "Moving"], dtype=ChannelType.ENUM
    )
    wave = pvproperty(value=[0.0], max_length=300_000, dtype=float)
    chars = pvproperty(value="", max_length=20, dtype=ChannelType.CHAR)
    readonly = pvproperty(value=3.0, dtype=float, read_only=True)
    slow = pvproperty(value=0, dtype=int)
    done = pvproperty(value=0, dtype=int)
    ordered = pvproperty(value=0, dtype=int)

    empty = pvproperty(value=[], max_length=10, dtype=float)
    special = pvproperty(value=0.0, dtype=float)
    alarmed = pvproperty(value=0.0, dtype=float, upper_alarm_limit=4.0, lower_alarm_limit=-4.0)

    @alarmed.putter
    async def alarmed(self, instance, value):
        high = value > instance.upper_alarm_limit
        await instance.alarm.write(
            status=AlarmStatus.HIHI if high else AlarmStatus.NO_ALARM,
            severity=AlarmSeverity.MAJOR_ALARM if high else AlarmSeverity.NO_ALARM,
        )

    @slow.putter
    async def slow(self, instance, value):
        await asyncio.sleep(0.5)
        await self.done.write(1)


async def main():
    async def ready(_async_lib):
        print("READY", flush=True)

    group = Conformance(prefix="T:")
    await start_server(group.pvdb, interfaces=["127.0.0.1"], startup_hook=ready)


def end_with_parent():
    import os

    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
asyncio.run(main())

"""Numbers that change, as records of a C soft IOC: `python pv_ioc.py PREFIX COUNT PERIOD`.

PERIOD is a scan of EPICS: `.1 second`. Records of one scan are processed in one sweep.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from tempfile import NamedTemporaryFile

from softioc import asyncio_dispatcher, softioc
from softioc.imports import dbLoadDatabase

RECORD = """
record(calc, "{prefix}:n{number}") {{
    field(SCAN, "{period}")
    field(CALC, "A+1")
    field(INPA, "{prefix}:n{number}.VAL")
    field(PREC, "3")
    field(EGU, "mm")
}}
"""


def main() -> None:
    prefix, count, period = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    records = (RECORD.format(prefix=prefix, number=n, period=period) for n in range(count))
    with NamedTemporaryFile("w", suffix=".db", delete=False) as database:
        database.write("".join(records))
    dbLoadDatabase(database.name, None, None)
    Path(database.name).unlink()
    softioc.iocInit(asyncio_dispatcher.AsyncioDispatcher())
    print("serving", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
